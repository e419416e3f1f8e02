#include "model/line_tail.h"

#include "model/filter_private.h"
#include "model/line_filter.h"

// A line, or a group of lines, whose beginning is not known yet.
struct tail_line {
    bool any;          // there is such a line
    bool wanted;       // one of its records passes everything but the texts
    bool continues;    // the earliest record goes on with the one before it, if that is of the same stream
    bool by_itself;    // if it is not, that record passes
    bool hit;          // the texts match in a later line of the group
    uint64_t earliest; // its earliest record so far
    uint64_t start;    // the earliest of its records that passes
    uint64_t latest;
    // The text so far, at the end of `data`.
    char *data;
    size_t capacity, len;
};

struct line_tail {
    struct filter *filter;
    bool output_only, joins, invert;
    uint64_t wanted, count, found;
    struct tail_line lines[STREAM_COUNT];
    // Lines that match and lie before a line that is not known yet, the last one first. At most LINE_SPAN_MAX per
    // stream.
    uint64_t *waiting;
    size_t waiting_begin, waiting_end, waiting_capacity;
};

struct line_tail *line_tail_new(struct filter *filter, uint64_t wanted, bool output_only)
{
    struct line_tail *tail = xcalloc(1, sizeof(*tail));
    tail->filter = filter ? filter_ref(filter) : NULL;
    tail->joins = filter_joins_lines(filter);
    tail->invert = filter && filter->rules.invert;
    tail->wanted = wanted;
    tail->output_only = output_only;
    return tail;
}

void line_tail_free(struct line_tail **owner)
{
    struct line_tail *tail = TAKE_PTR(*owner);
    if (!tail)
        return;
    filter_unref(&tail->filter);
    for (size_t i = 0; i < STREAM_COUNT; i++)
        free(tail->lines[i].data);
    free(tail->waiting);
    free(tail);
}

const struct filter *line_tail_filter(const struct line_tail *tail)
{
    return tail->filter;
}

bool line_tail_settled(const struct line_tail *tail)
{
    return tail->count == tail->wanted;
}

bool line_tail_found(const struct line_tail *tail, uint64_t *ret_sequence)
{
    *ret_sequence = tail->found;
    return tail->count > 0;
}

// --- Lines that match, in the order of their beginnings

static void wait_in_order(struct line_tail *tail, uint64_t start)
{
    if (tail->waiting_begin == tail->waiting_end)
        tail->waiting_begin = tail->waiting_end = 0;
    if (tail->waiting_end == tail->waiting_capacity) {
        tail->waiting_capacity = MAX(tail->waiting_capacity * 2, (size_t)64);
        tail->waiting = xrealloc(tail->waiting, tail->waiting_capacity * sizeof(*tail->waiting));
    }
    size_t at = tail->waiting_end++;
    for (; at > tail->waiting_begin && tail->waiting[at - 1] < start; at--)
        tail->waiting[at] = tail->waiting[at - 1];
    tail->waiting[at] = start;
}

// A line counts as beginning with its first record that passes.
static bool may_begin_behind(const struct tail_line *line, uint64_t start)
{
    return line->any && (line->earliest > start || (line->wanted && line->start > start));
}

// Counts lines. A line counts when every line that may begin after it is known.
static void count_known(struct line_tail *tail)
{
    while (tail->waiting_begin < tail->waiting_end && !line_tail_settled(tail)) {
        uint64_t start = tail->waiting[tail->waiting_begin];
        for (size_t i = 0; i < STREAM_COUNT; i++)
            if (may_begin_behind(&tail->lines[i], start))
                return;
        tail->waiting_begin++;
        tail->count++;
        tail->found = start;
    }
}

// --- Lines that grow at the front

static void prepend(struct tail_line *line, struct str text)
{
    if (text.len > line->capacity - line->len) {
        size_t capacity = MAX((line->len + text.len) * 2, (size_t)256);
        char *data = xmalloc(capacity);
        if (line->len > 0)
            memcpy(data + capacity - line->len, line->data + line->capacity - line->len, line->len);
        free(line->data);
        line->data = data;
        line->capacity = capacity;
    }
    line->len += text.len;
    if (text.len > 0)
        memcpy(line->data + line->capacity - line->len, text.data, text.len);
}

// Looks at the text that was gathered. When the budget is spent, the line stays as it was.
static int look_at_text(const struct line_tail *tail, struct filter_run *run, struct tail_line *line)
{
    struct str text = line->len > 0 ? str_n(line->data + line->capacity - line->len, line->len) : str_n(NULL, 0);
    int match = line->hit || !tail->joins ? 0 : filter_match_text(tail->filter, run, text);
    if (match < 0)
        return match;
    line->hit |= tail->joins && (match == 1) != tail->invert && !line->hit;
    line->len = 0;
    return 0;
}

// The first record of the line was seen. When the budget is spent, the line stays as it was.
static int conclude(struct line_tail *tail, struct filter_run *run, struct tail_line *line)
{
    if (!line->any)
        return 0;
    bool alone = line->continues && line->by_itself;
    int err = line->wanted || alone ? look_at_text(tail, run, line) : 0;
    if (err < 0)
        return err;
    if ((line->wanted || alone) && (!tail->joins || line->hit != tail->invert))
        wait_in_order(tail, alone ? line->earliest : line->start);
    line->any = line->wanted = line->continues = line->hit = false;
    line->len = 0;
    count_known(tail);
    return 0;
}

static int conclude_long(struct line_tail *tail, struct filter_run *run, uint64_t sequence)
{
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        struct tail_line *line = &tail->lines[i];
        if (!line->any || line->latest - sequence < LINE_SPAN_MAX)
            continue;
        int err = conclude(tail, run, line);
        if (err < 0)
            return err;
    }
    return 0;
}

static void take_record(struct line_tail *tail, struct tail_line *line, uint64_t sequence, const struct record *record,
                        bool continued, bool passes)
{
    bool alone = line->any && line->continues && !continued && line->by_itself;
    if (alone) { // a part of a line that is not next to the rest of it decides nothing for that
        line->wanted = true;
        line->start = line->earliest;
    }
    if (!line->any)
        line->latest = sequence;
    line->any = true;
    line->earliest = sequence;
    line->continues = record->continues;
    line->by_itself = passes;
    if (tail->joins)
        prepend(line, record->message);
    if (passes && !record->continues) {
        line->wanted = true;
        line->start = sequence;
    }
}

int line_tail_take(struct line_tail *tail, struct filter_run *run, uint64_t sequence, const struct chunk *chunk,
                   uint32_t i)
{
    struct record record;
    int err = conclude_long(tail, run, sequence);
    chunk_record(chunk, i, &record);
    if (err < 0)
        return err;
    if (!filter_wants_stream(tail->filter, record.stream) || (tail->output_only && record.stream == STREAM_EVENT))
        return 0;
    struct tail_line *line = &tail->lines[record.stream];
    bool continued = line->any && line->continues && line->earliest == sequence + 1;
    if (!record.partial || line->len >= LINE_TEXT_MAX)
        err = continued ? look_at_text(tail, run, line) : conclude(tail, run, line);
    if (err < 0)
        return err;
    take_record(tail, line, sequence, &record, continued, filter_match_fields(tail->filter, run, chunk, i, &record));
    return 0;
}

// It is known of as many lines as are wanted where they begin. One that was seen in part may still turn out to begin
// between them; one that was not seen begins before them all.
static bool has_enough(const struct line_tail *tail)
{
    return tail->count + (tail->waiting_end - tail->waiting_begin) >= tail->wanted;
}

int line_tail_take_header(struct line_tail *tail, struct filter_run *run, const struct chunk *chunk, uint64_t first)
{
    if (chunk_partial_count(chunk) > 0)
        return 0;
    for (size_t i = 0; i < STREAM_COUNT; i++)
        if (tail->lines[i].any && tail->lines[i].continues && tail->lines[i].earliest == first + chunk_count(chunk))
            return 0;
    // None of its records goes on. So a line begins where it was seen if its stream has a record here.
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        int err = chunk_stream_count(chunk, (enum record_stream)i) > 0 ? conclude(tail, run, &tail->lines[i]) : 0;
        if (err < 0)
            return err;
    }
    int err = has_enough(tail) ? conclude_long(tail, run, first) : 0;
    return err < 0 ? err : line_tail_settled(tail) || has_enough(tail);
}

int line_tail_finish(struct line_tail *tail, struct filter_run *run)
{
    for (size_t i = 0; i < STREAM_COUNT; i++) {
        int err = conclude(tail, run, &tail->lines[i]);
        if (err < 0)
            return err;
    }
    return 0;
}
