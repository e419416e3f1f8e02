#include "cli/log_select.h"

// A record that may still be shown. Its bytes are in one piece.
struct kept {
    uint64_t sequence_number;
    struct record record;
    struct str json;
    char *bytes;
    bool starts_line;
};

struct log_select {
    struct filter *filter;
    struct line_filter *lines; // its record numbers count what comes, without holes
    struct filter_run run;
    unsigned before, after, after_left;
    uint64_t first_match, taken, judged; // judged: how many were decided and handled
    log_select_fn *show;
    void *arg;
    bool open[STREAM_COUNT]; // the stream's last record goes on in its next one
    bool shown, left_out, showing;
    struct kept *kept; // first those that may come before a match, then the undecided ones
    size_t count, capacity;
};

struct log_select *log_select_new(struct filter *filter, unsigned before, unsigned after, uint64_t first_match,
                                  log_select_fn *show, void *arg)
{
    struct log_select *select = xcalloc(1, sizeof(*select));
    *select = (struct log_select){.filter = filter,
                                  .lines = line_filter_new(filter, 0, 0),
                                  .before = before,
                                  .after = after,
                                  .first_match = first_match,
                                  .show = show,
                                  .arg = arg};
    filter_run_init(&select->run, filter, UINT64_MAX);
    return select;
}

static void drop(struct log_select *select, size_t count)
{
    if (count == 0)
        return;
    for (size_t i = 0; i < count; i++)
        free(select->kept[i].bytes);
    select->count -= count;
    memmove(select->kept, select->kept + count, select->count * sizeof(*select->kept));
}

void log_select_free(struct log_select **owner)
{
    struct log_select *select = TAKE_PTR(*owner);
    if (!select)
        return;
    drop(select, select->count);
    free(select->kept);
    line_filter_free(&select->lines);
    filter_run_release(&select->run);
    filter_unref(&select->filter);
    free(select);
}

static struct str take_copy(char **at, struct str from)
{
    struct str copy = str_n(*at, from.len);
    if (from.len > 0)
        memcpy(*at, from.data, from.len);
    *at += from.len;
    return copy;
}

static void keep(struct log_select *select, uint64_t sequence_number, const struct record *record, struct str json)
{
    if (select->count == select->capacity) {
        select->capacity = MAX(select->capacity * 2, (size_t)16);
        select->kept = xrealloc(select->kept, select->capacity * sizeof(*select->kept));
    }
    struct kept *kept = &select->kept[select->count++];
    *kept = (struct kept){.sequence_number = sequence_number, .record = *record};
    char *at = kept->bytes = xmalloc(record->message.len + record->extra.len + json.len + 1);
    kept->record.message = take_copy(&at, record->message);
    kept->record.extra = take_copy(&at, record->extra);
    kept->json = take_copy(&at, json);
    kept->starts_line = !select->open[record->stream];
    select->open[record->stream] = record->partial;
}

static void show(struct log_select *select, size_t count)
{
    if (select->left_out && select->shown && (select->before > 0 || select->after > 0))
        select->show(select->arg, 0, NULL, str_n(NULL, 0));
    for (size_t i = 0; i < count; i++)
        select->show(select->arg, select->kept[i].sequence_number, &select->kept[i].record, select->kept[i].json);
    select->shown = true;
    select->left_out = false;
    drop(select, count);
}

// Keeps at most so many lines that could come before a match. They begin with the beginning of a line.
static void keep_before(struct log_select *select, size_t *waiting)
{
    size_t lines = 0;
    for (size_t i = 0; i < *waiting; i++)
        lines += select->kept[i].starts_line;
    size_t dropped = 0;
    while (dropped < *waiting && (lines > select->before || !select->kept[dropped].starts_line))
        lines -= select->kept[dropped++].starts_line;
    select->left_out |= dropped > 0;
    drop(select, dropped);
    *waiting -= dropped;
}

// True if the record belongs to the lines after a match.
static bool goes_after(struct log_select *select, const struct kept *kept)
{
    if (!kept->starts_line)
        return select->showing;
    if (select->after_left == 0)
        return false;
    select->after_left--;
    return true;
}

static void judge(struct log_select *select)
{
    uint64_t decided = line_filter_decided(select->lines);
    size_t waiting = select->count - (size_t)(select->taken - select->judged);
    for (; select->judged < decided; select->judged++) {
        const struct kept *kept = &select->kept[waiting];
        bool match = line_filter_match(select->lines, select->judged) && kept->sequence_number >= select->first_match;
        if (match)
            select->after_left = select->after;
        select->showing = match || goes_after(select, kept);
        if (select->showing) {
            show(select, waiting + 1);
            waiting = 0;
        } else {
            waiting++;
            keep_before(select, &waiting);
        }
    }
    line_filter_forget(select->lines, decided);
}

void log_select_take(struct log_select *select, uint64_t sequence_number, const struct record *record, struct str json)
{
    keep(select, sequence_number, record, json);
    select->taken++;
    line_filter_feed_record(select->lines, &select->run, record);
    judge(select);
}

void log_select_finish(struct log_select *select)
{
    line_filter_settle(select->lines, &select->run);
    judge(select);
}
