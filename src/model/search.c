#include "model/search.h"

#include "model/filter_private.h"
#include "model/search_private.h"

// A line that has begun and goes on.
struct open_line {
    bool wanted;     // a hit if its text matches
    uint64_t first;  // its first record
    size_t len;      // of its text so far
    struct buf text; // that text, if the line is wanted
};

// The group of the record before `next`.
struct group {
    bool seen;
    bool wanted; // it passes the rules for fields
    enum record_stream stream;
    uint64_t first;
};

struct search {
    struct search_ask ask;
    struct search_found found;
    uint64_t next;
    bool has_rules; // there are rules for fields, so groups matter
    unsigned open;  // one bit for each stream with an open line
    struct open_line lines[STREAM_COUNT];
    // `group` is as it was before `passed`: a chunk that was passed over, which must be looked at if the next one goes
    // on with its last record.
    struct group group;
    struct chunk *passed;
    uint64_t passed_first, passed_from;
    uint64_t careful; // the chunk that begins right before this record takes more than a budget as a whole
    struct buf scratch;
};

struct search *search_new(const struct search_ask *ask, uint64_t log_first)
{
    struct search *search = xcalloc(1, sizeof(*search));
    search->ask = *ask;
    search->has_rules = filter_has_rules(ask->filter);
    search->next = MIN(ask->from, MAX(log_first, ask->from - MIN(ask->from, (uint64_t)LINE_SPAN_MAX)));
    return search;
}

void search_free(struct search **owner)
{
    struct search *search = TAKE_PTR(*owner);
    if (!search)
        return;
    for (size_t i = 0; i < STREAM_COUNT; i++)
        buf_release(&search->lines[i].text);
    chunk_unref(&search->passed);
    search_found_release(&search->found);
    buf_release(&search->scratch);
    free(search);
}

uint64_t search_next(const struct search *search)
{
    return search->next;
}

struct search_found *search_found(struct search *search)
{
    search_found_trim(&search->found, &search->ask);
    return &search->found;
}

static bool is_open(const struct search *search, unsigned stream)
{
    return search->open >> stream & 1;
}

// Whether a line in the range goes on.
static bool waits(const struct search *search)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        if (is_open(search, i) && search->lines[i].wanted)
            return true;
    }
    return false;
}

static bool has_enough(const struct search *search)
{
    return search->ask.only_keep && !search->ask.keep_last && search->found.kept >= search->ask.keep;
}

bool search_done(const struct search *search)
{
    return (search->next >= search->ask.to || has_enough(search)) && !waits(search);
}

static bool in_range(const struct search *search, uint64_t sequence)
{
    return sequence >= search->ask.from && sequence < search->ask.to;
}

static void hit(struct search *search, uint64_t sequence)
{
    search_found_hit(&search->found, &search->ask, sequence);
}

// Counts the bytes of records [from, to), as far as they are in the range.
static void count_bytes(const struct search *search, uint64_t *counter, const struct chunk *chunk, uint64_t from,
                        uint64_t to)
{
    uint64_t count = chunk_count(chunk);
    from = MAX(from, search->ask.from);
    to = MIN(to, search->ask.to);
    if (from < to)
        *counter += (chunk_message_bytes(chunk) + count) * (to - from) / count;
}

// --- Records

// The group of a record. It is looked at in order.
static struct group group_of(const struct search *search, struct filter_run *run, const struct chunk *chunk, uint32_t i,
                             uint64_t sequence, const struct record *record)
{
    struct group group = search->group;
    bool goes_on =
        record->continues && group.seen && group.stream == record->stream && sequence - group.first < LINE_SPAN_MAX;
    if (goes_on)
        return group;
    bool wanted = !search->has_rules || filter_match_fields(search->ask.filter, run, chunk, i, record);
    return (struct group){.seen = true, .wanted = wanted, .stream = record->stream, .first = sequence};
}

// Decides the open line by what there is of it.
static int close_line(struct search *search, struct filter_run *run, unsigned stream)
{
    struct open_line *line = &search->lines[stream];
    int match = line->wanted ? filter_match_text(search->ask.filter, run, buf_str(&line->text)) : 0;
    if (match < 0)
        return match;
    if (match == 1)
        hit(search, line->first);
    search->open &= ~(1u << stream);
    buf_reset(&line->text);
    return 0;
}

// Closes lines that are too long, or whose next record does not come.
static int close_long(struct search *search, struct filter_run *run)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        if (!is_open(search, i) || search->next - search->lines[i].first < LINE_SPAN_MAX)
            continue;
        int err = close_line(search, run, i);
        if (err < 0)
            return err;
    }
    return 0;
}

// Takes a record that is a part of a longer line.
static int take_part(struct search *search, struct filter_run *run, const struct record *record, bool wanted)
{
    unsigned stream = record->stream;
    struct open_line *line = &search->lines[stream];
    bool begins = !is_open(search, stream);
    if (begins) {
        line->wanted = wanted && in_range(search, search->next);
        line->first = search->next;
        line->len = 0;
        buf_reset(&line->text);
        search->open |= 1u << stream;
    }
    size_t before = line->text.len;
    if (line->wanted)
        buf_append_str(&line->text, record->message);
    if (record->partial && line->len + record->message.len < LINE_TEXT_MAX) {
        line->len += record->message.len;
        return 0;
    }
    int err = close_line(search, run, stream);
    if (err < 0) { // the record will be taken again
        line->text.len = before;
        search->open &= ~((unsigned)begins << stream);
    }
    return err;
}

static int take(struct search *search, struct filter_run *run, const struct chunk *chunk, uint32_t i)
{
    struct record record;
    chunk_record(chunk, i, &record);
    int err = search->open ? close_long(search, run) : 0;
    if (err < 0)
        return err;
    struct group group = group_of(search, run, chunk, i, search->next, &record);
    if (record.partial || is_open(search, record.stream)) {
        err = take_part(search, run, &record, group.wanted);
    } else if (group.wanted && in_range(search, search->next)) {
        err = filter_match_text(search->ask.filter, run, record.message);
        if (err == 1)
            hit(search, search->next);
    }
    if (err < 0)
        return err;
    search->group = group;
    search->next++;
    return 0;
}

static int feed_records(struct search *search, struct filter_run *run, struct chunk **chunk, uint64_t first,
                        uint64_t end)
{
    int err = chunk_open(chunk);
    while (err == 0 && search->next < end && !search_done(search))
        err = take(search, run, *chunk, (uint32_t)(search->next - first));
    return err;
}

// --- Whole chunks

// The next record goes on with one that was passed over. So the groups there are looked at.
static int look_at_passed(struct search *search, struct filter_run *run)
{
    int err = search->passed ? chunk_open(&search->passed) : 0;
    if (err < 0 || !search->passed)
        return err;
    uint32_t i = (uint32_t)(search->passed_from - search->passed_first);
    for (; i < chunk_count(search->passed); i++) {
        struct record record;
        chunk_record(search->passed, i, &record);
        search->group = group_of(search, run, search->passed, i, search->passed_first + i, &record);
    }
    chunk_unref(&search->passed);
    return 0;
}

// Only its records tell which group the last one is of, so the chunk is kept until it is known whether that goes on.
static void pass_over(struct search *search, const struct chunk *chunk, uint64_t first, uint64_t end)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        if (chunk_stream_count(chunk, (enum record_stream)i) > 0)
            search->open &= ~(1u << i);
    }
    if (search->next != first || !chunk_begins_within(chunk))
        search->group = (struct group){0};
    chunk_unref(&search->passed);
    if (search->has_rules) {
        search->passed = chunk_ref(chunk);
        search->passed_first = first;
        search->passed_from = search->next;
    }
    search->next = end;
}

// Finds where a line begins.
static size_t offset_of(const struct chunk *chunk, struct str text, uint32_t line)
{
    if (chunk_is_open(chunk))
        return chunk_text_offset(chunk, line);
    size_t at = 0;
    for (const char *newline; line > 0 && (newline = memchr(text.data + at, '\n', text.len - at)); line--)
        at = (size_t)(newline - text.data) + 1;
    return at;
}

static bool is_wanted(const struct search *search, struct filter_run *run, const struct chunk *chunk, uint32_t i)
{
    struct record record;
    if (!search->has_rules)
        return true;
    chunk_record(chunk, i, &record);
    return filter_match_fields(search->ask.filter, run, chunk, i, &record);
}

// Every line is a record, and a group of its own as far as that matters.
static int feed_column(struct search *search, struct filter_run *run, const struct chunk *chunk, uint64_t first,
                       uint64_t end)
{
    struct str text = {0}, line;
    int err = chunk_column(chunk, &search->scratch, &text);
    if (err < 0)
        return err;
    uint32_t i = (uint32_t)(MAX(search->next, search->ask.from) - first);
    size_t at = first + i < search->ask.to ? offset_of(chunk, text, i) : text.len;
    const struct filter_column column = filter_column_of(text);
    int found;
    while ((found = filter_find_line(search->ask.filter, run, &column, at, &line)) != 0) {
        i += (uint32_t)newlines_count(text.data + at, line.data);
        if (found < 0) {
            search->next = first + i;
            return found;
        }
        if (first + i >= search->ask.to || has_enough(search))
            break;
        if (is_wanted(search, run, chunk, i))
            hit(search, first + i);
        at = (size_t)(line.data - text.data) + line.len + 1;
        i++;
    }
    search->next = end;
    return 0;
}

// The last record is the group of what may go on with it.
static void see_last(struct search *search, struct filter_run *run, const struct chunk *chunk, uint64_t end)
{
    struct record record;
    if (!search->has_rules)
        return;
    uint32_t last = chunk_count(chunk) - 1;
    chunk_record(chunk, last, &record);
    search->group = (struct group){true, is_wanted(search, run, chunk, last), record.stream, end - 1};
}

// Returns 1 if it is known that no line of the chunk matches.
static int has_no_match(struct search *search, struct filter_run *run, const struct chunk *chunk, uint64_t first)
{
    struct str text = {0}, line;
    if (search->next != first || search->careful == first + 1)
        return 0;
    int err = chunk_column(chunk, &search->scratch, &text);
    if (err < 0)
        return err;
    const struct filter_column column = filter_column_of(text);
    int found = filter_find_line(search->ask.filter, run, &column, 0, &line);
    if (found == ERR_INVALID)
        search->careful = first + 1;
    return found < 0 ? found : !found;
}

// For a chunk in which no line goes on.
static int feed_whole(struct search *search, struct filter_run *run, struct chunk **chunk, uint64_t first, uint64_t end)
{
    int err = search->has_rules ? chunk_open(chunk) : 0;
    if (err == 0 && search->has_rules && chunk_continues_count(*chunk) > 0) {
        int none = has_no_match(search, run, *chunk, first);
        if (none == 1)
            pass_over(search, *chunk, first, end);
        return none == 0 ? feed_records(search, run, chunk, first, end) : MIN(none, 0);
    }
    if (err == 0)
        err = feed_column(search, run, *chunk, first, end);
    if (err == 0)
        see_last(search, run, *chunk, end);
    return err;
}

static bool goes_on(const struct search *search, const struct chunk *chunk, uint64_t first)
{
    return search->next == first && chunk_begins_within(chunk) && search->group.seen && search->group.wanted;
}

// Nothing of the chunk is wanted, or there is nothing in it that could match.
static bool passes_over(const struct search *search, const struct chunk *chunk, uint64_t first)
{
    const struct filter *filter = search->ask.filter;
    if (chunk_partial_count(chunk) > 0)
        return false;
    if (first + chunk_count(chunk) <= search->ask.from)
        return true;
    bool unwanted = !goes_on(search, chunk, first) && filter_excludes_chunk(filter, chunk);
    return !search->open && (unwanted || filter_excludes_texts(filter, chunk));
}

int search_feed(struct search *search, struct filter_run *run, struct chunk **chunk, uint64_t first)
{
    search_skip(search, first);
    uint64_t from = search->next, end = first + chunk_count(*chunk);
    bool behind = from == first && chunk_begins_within(*chunk);
    int err = behind ? look_at_passed(search, run) : 0;
    if (err < 0)
        return err;
    if (passes_over(search, *chunk, first)) {
        count_bytes(search, &search->found.skipped, *chunk, from, end);
        pass_over(search, *chunk, first, end);
        return 0;
    }
    if (chunk_is_front(*chunk))
        return SEARCH_WANTS_ALL;
    chunk_unref(&search->passed);
    bool whole = chunk_partial_count(*chunk) == 0 && !search->open && chunk_is_lines(*chunk);
    err = whole ? feed_whole(search, run, chunk, first, end) : feed_records(search, run, chunk, first, end);
    // With a budget that is spent, the rest is counted when it is fed.
    count_bytes(search, &search->found.scanned, *chunk, from, MIN(search->next, end));
    return err;
}

void search_skip(struct search *search, uint64_t first)
{
    if (first <= search->next)
        return;
    search->open = 0;
    chunk_unref(&search->passed);
    search->group = (struct group){0};
    search->next = first;
}

int search_end(struct search *search, struct filter_run *run)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        int err = is_open(search, i) ? close_line(search, run, i) : 0;
        if (err < 0)
            return err;
    }
    return 0;
}
