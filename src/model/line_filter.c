#include "model/line_filter.h"

#include "model/filter_private.h"

#define FORGET_AT 65536 // marks are dropped in batches of so many

// What is known of a record. MARK_UNDECIDED + stream: its line, on that stream, is not decided yet.
enum mark { MARK_NO, MARK_MATCH, MARK_UNDECIDED };

struct line {
    bool matched;   // decided by the part that was read
    uint64_t first; // its first record
    struct buf text;
};

struct line_filter {
    struct filter *filter;
    bool joins;
    uint64_t from, next;
    uint64_t base;    // the record that the first mark is for
    uint64_t decided; // all records below this one are decided
    struct buf marks; // for records [base, next)
    unsigned open;    // one bit for each stream with an open line
    struct line lines[STREAM_COUNT];
};

struct line_filter *line_filter_new(struct filter *filter, uint64_t from, uint64_t log_first)
{
    struct line_filter *lines = xcalloc(1, sizeof(*lines));
    lines->joins = filter_joins_lines(filter);
    lines->filter = filter ? filter_ref(filter) : NULL;
    lines->from = lines->next = from;
    if (lines->joins)
        lines->next = MIN(from, MAX(log_first, from - MIN(from, (uint64_t)LINE_SPAN_MAX)));
    lines->base = lines->decided = lines->next;
    return lines;
}

void line_filter_free(struct line_filter **owner)
{
    struct line_filter *lines = TAKE_PTR(*owner);
    if (!lines)
        return;
    filter_unref(&lines->filter);
    buf_release(&lines->marks);
    for (size_t i = 0; i < STREAM_COUNT; i++)
        buf_release(&lines->lines[i].text);
    free(lines);
}

const struct filter *line_filter_filter(const struct line_filter *lines)
{
    return lines->filter;
}

uint64_t line_filter_next(const struct line_filter *lines)
{
    return lines->next;
}

uint64_t line_filter_decided(const struct line_filter *lines)
{
    return MAX(lines->decided, lines->from);
}

bool line_filter_match(const struct line_filter *lines, uint64_t sequence)
{
    return sequence >= lines->base && sequence < lines->decided &&
           lines->marks.data[sequence - lines->base] == MARK_MATCH;
}

bool line_filter_holds_up(const struct line_filter *lines)
{
    size_t at = lines->decided - lines->base;
    return at < lines->marks.len && memchr(lines->marks.data + at, MARK_MATCH, lines->marks.len - at);
}

void line_filter_forget(struct line_filter *lines, uint64_t below)
{
    below = MIN(below, lines->decided);
    if (below < lines->base || (below - lines->base < FORGET_AT && below < lines->next))
        return;
    buf_consume(&lines->marks, below - lines->base);
    lines->base = below;
}

static void put_marks(struct line_filter *lines, char mark, uint64_t count)
{
    buf_reserve(&lines->marks, count);
    memset(lines->marks.data + lines->marks.len, mark, count);
    lines->marks.len += count;
    if (mark < MARK_UNDECIDED && lines->decided == lines->next)
        lines->decided += count;
    lines->next += count;
}

bool line_filter_excludes(const struct filter *filter, const struct chunk *chunk)
{
    if (!filter_joins_lines(filter))
        return filter_excludes_chunk(filter, chunk);
    if (chunk_partial_count(chunk) > 0)
        return false;
    return filter_excludes_chunk(filter, chunk) || filter_excludes_texts(filter, chunk);
}

bool line_filter_passes_over(const struct line_filter *lines, const struct chunk *chunk)
{
    return !lines->open && line_filter_excludes(lines->filter, chunk);
}

// --- Lines

static void settle_marks(struct line_filter *lines, enum record_stream stream, bool match)
{
    char undecided = (char)(MARK_UNDECIDED + (int)stream);
    for (size_t at = lines->decided - lines->base; at < lines->marks.len; at++)
        if (lines->marks.data[at] == undecided)
            lines->marks.data[at] = match ? MARK_MATCH : MARK_NO;
    while (lines->decided < lines->next && lines->marks.data[lines->decided - lines->base] < MARK_UNDECIDED)
        lines->decided++;
}

static bool has_undecided(const struct line_filter *lines, enum record_stream stream)
{
    size_t at = lines->decided - lines->base;
    return lines->decided < lines->next &&
           memchr(lines->marks.data + at, MARK_UNDECIDED + (int)stream, lines->marks.len - at);
}

// Returns 1, 0 or an error for the part of the line that was read. A line that has matched once stays a match.
static int judge(struct line *line, const struct line_filter *lines, struct filter_run *run)
{
    if (line->matched)
        return 1;
    int match = filter_match_text(lines->filter, run, buf_str(&line->text));
    line->matched = match == 1;
    return match;
}

// With grep alone, more text cannot undo a match.
static bool known_early(const struct line *line, const struct line_filter *lines, size_t before)
{
    const struct filter_rules *rules = &lines->filter->rules;
    if (rules->regex || rules->invert)
        return false;
    size_t from = before - MIN(before, rules->grep.len - 1);
    return line->matched ||
           filter_match_text(lines->filter, NULL, str_n(line->text.data + from, line->text.len - from)) == 1;
}

static bool is_open(const struct line_filter *lines, enum record_stream stream)
{
    return lines->open >> stream & 1;
}

static void close_line(struct line_filter *lines, enum record_stream stream)
{
    lines->open &= ~(1u << stream);
    lines->lines[stream].matched = false;
    buf_reset(&lines->lines[stream].text);
}

// Decides the undecided records of a line by the part that was read.
static int settle_line(struct line_filter *lines, struct filter_run *run, enum record_stream stream)
{
    if (!has_undecided(lines, stream))
        return 0;
    int match = judge(&lines->lines[stream], lines, run);
    if (match < 0)
        return match;
    settle_marks(lines, stream, match);
    return 0;
}

// Closes lines that are too long, or whose next record does not come.
static int close_long(struct line_filter *lines, struct filter_run *run)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        enum record_stream stream = (enum record_stream)i;
        if (!is_open(lines, stream) || lines->next - lines->lines[i].first < LINE_SPAN_MAX)
            continue;
        int err = settle_line(lines, run, stream);
        if (err < 0)
            return err;
        close_line(lines, stream);
    }
    return 0;
}

// Takes a record that is a part of a longer line.
static int take_part(struct line_filter *lines, struct filter_run *run, const struct record *record, bool wanted)
{
    enum record_stream stream = record->stream;
    struct line *line = &lines->lines[stream];
    size_t before = line->text.len;
    if (!is_open(lines, stream))
        line->first = lines->next;
    buf_append_str(&line->text, record->message);
    bool ends = !record->partial || line->text.len >= LINE_TEXT_MAX;
    line->matched |= known_early(line, lines, before);
    int match = line->matched;
    if (ends && (wanted || has_undecided(lines, stream)))
        match = judge(line, lines, run);
    if (match < 0) {
        line->text.len = before; // the record will be taken again
        return match;
    }
    lines->open |= 1u << stream;
    put_marks(lines, (char)(wanted ? MARK_UNDECIDED + (int)stream : MARK_NO), 1);
    if (ends || match)
        settle_marks(lines, stream, match);
    if (ends)
        close_line(lines, stream);
    return 0;
}

// Takes the next record: record `i` of the chunk, or one that is in no chunk.
static int take(struct line_filter *lines, struct filter_run *run, const struct chunk *chunk, uint32_t i,
                const struct record *record)
{
    int err = lines->open ? close_long(lines, run) : 0;
    if (err < 0)
        return err;
    bool wanted = lines->next >= lines->from && filter_match_fields(lines->filter, run, chunk, i, record);
    bool part = lines->joins && (record->partial || is_open(lines, record->stream));
    if (part && filter_wants_stream(lines->filter, record->stream))
        return take_part(lines, run, record, wanted);
    int match = wanted ? filter_match_text(lines->filter, run, record->message) : 0;
    if (match >= 0)
        put_marks(lines, match ? MARK_MATCH : MARK_NO, 1);
    return match < 0 ? match : 0;
}

int line_filter_feed(struct line_filter *lines, struct filter_run *run, const struct chunk *chunk, uint64_t first,
                     uint64_t end)
{
    end = MIN(end, first + chunk_count(chunk));
    if (lines->next < first)
        line_filter_skip(lines, first);
    if (lines->next < end && !lines->filter)
        put_marks(lines, MARK_MATCH, end - lines->next);
    if (lines->next < end && line_filter_passes_over(lines, chunk))
        put_marks(lines, MARK_NO, end - lines->next);
    while (lines->next < end) {
        struct record record;
        uint32_t i = (uint32_t)(lines->next - first);
        chunk_record(chunk, i, &record);
        int err = take(lines, run, chunk, i, &record);
        if (err < 0)
            return err;
    }
    return 0;
}

int line_filter_feed_record(struct line_filter *lines, struct filter_run *run, const struct record *record)
{
    return take(lines, run, NULL, 0, record);
}

int line_filter_settle(struct line_filter *lines, struct filter_run *run)
{
    for (unsigned stream = 0; stream < STREAM_COUNT; stream++) {
        int err = settle_line(lines, run, (enum record_stream)stream);
        if (err < 0)
            return err;
    }
    return 0;
}

void line_filter_skip(struct line_filter *lines, uint64_t next)
{
    for (unsigned stream = 0; stream < STREAM_COUNT; stream++)
        close_line(lines, (enum record_stream)stream);
    buf_reset(&lines->marks);
    lines->next = MAX(lines->next, next);
    lines->from = MAX(lines->from, lines->next);
    lines->base = lines->decided = lines->next;
}
