#include "model/line_filter.h"

#include "model/filter_private.h"

#define FORGET_AT 65536 // marks are dropped in batches of so many

// What is known of a record. MARK_UNDECIDED + stream: its line or group, on that stream, is not decided yet.
// MARK_UNSEEN: the last record of a chunk that was passed over; it has no match, but what may continue it is not known
// yet.
enum mark { MARK_NO, MARK_MATCH, MARK_UNDECIDED, MARK_UNSEEN = MARK_UNDECIDED + STREAM_COUNT };

// What is known of the record before `next`.
enum before { BEFORE_NONE, BEFORE_SEEN, BEFORE_UNSEEN };

// The last group of a stream.
struct group {
    bool wanted;     // its last record passes the rules for fields
    bool hit;        // the texts match in one of its lines
    bool matched;    // decided as a match, so it stays one
    uint64_t first;  // its first record
    struct buf text; // of its last line, while that is open
};

struct line_filter {
    struct filter *filter;
    bool joins, invert;
    uint64_t from, next, start, log_first; // start: the first record that is fed
    uint64_t base;                         // the record that the first mark is for
    uint64_t decided;                      // all records below this one are decided
    struct buf marks;                      // for records [base, next)
    unsigned open;                         // one bit for each stream with an open line
    enum before before;
    bool before_wanted;        // it may be continued by what passes
    enum record_stream stream; // of the record before, if it was seen
    bool pending;              // the group of that record is undecided until it is known whether it goes on
    bool looked_back;
    uint64_t careful; // the chunk with this record is not passed over
    struct group groups[STREAM_COUNT];
};

struct line_filter *line_filter_new(struct filter *filter, uint64_t from, uint64_t log_first)
{
    struct line_filter *lines = xcalloc(1, sizeof(*lines));
    lines->joins = filter_joins_lines(filter);
    lines->invert = filter && filter->rules.invert;
    lines->filter = filter ? filter_ref(filter) : NULL;
    lines->from = lines->next = from;
    lines->log_first = log_first;
    lines->careful = UINT64_MAX;
    lines->looked_back = lines->joins;
    if (lines->joins)
        lines->next = MIN(from, MAX(log_first, from - MIN(from, (uint64_t)LINE_SPAN_MAX)));
    lines->base = lines->decided = lines->start = lines->next;
    lines->before = lines->next > log_first ? BEFORE_UNSEEN : BEFORE_NONE;
    lines->before_wanted = !lines->looked_back;
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
        buf_release(&lines->groups[i].text);
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
    if (count == 0)
        return;
    buf_reserve(&lines->marks, count);
    memset(lines->marks.data + lines->marks.len, mark, count);
    lines->marks.len += count;
    if (mark < MARK_UNDECIDED && lines->decided == lines->next)
        lines->decided += count;
    lines->next += count;
}

// No text of the chunk can match. What a group at its end goes on with is not known, so that must be its last record
// alone.
static bool excludes_texts(const struct filter *filter, const struct chunk *chunk)
{
    return filter_joins_lines(filter) && chunk_partial_count(chunk) == 0 && chunk_continues_count(chunk) == 0 &&
           filter_excludes_texts(filter, chunk);
}

static bool excludes_fields(const struct filter *filter, const struct chunk *chunk)
{
    return (!filter_joins_lines(filter) || chunk_partial_count(chunk) == 0) && filter_excludes_chunk(filter, chunk);
}

bool line_filter_excludes(const struct filter *filter, const struct chunk *chunk)
{
    return excludes_fields(filter, chunk) || excludes_texts(filter, chunk);
}

bool line_filter_passes_over(const struct line_filter *lines, const struct chunk *chunk)
{
    bool goes_on = chunk_begins_within(chunk) && lines->before != BEFORE_NONE && lines->before_wanted;
    return !lines->open && !goes_on && lines->next != lines->careful && line_filter_excludes(lines->filter, chunk);
}

bool line_filter_wants_picks(const struct line_filter *lines, const struct chunk *chunk)
{
    bool goes_on = chunk_begins_within(chunk) && lines->before != BEFORE_NONE && lines->before_wanted;
    return !lines->open && !goes_on && lines->next != lines->careful && filter_wants_picks(lines->filter, chunk);
}

// --- Groups

static void settle_marks(struct line_filter *lines, char undecided, bool match)
{
    for (size_t at = lines->decided - lines->base; at < lines->marks.len; at++)
        if (lines->marks.data[at] == undecided)
            lines->marks.data[at] = match ? MARK_MATCH : MARK_NO;
    while (lines->decided < lines->next && lines->marks.data[lines->decided - lines->base] < MARK_UNDECIDED)
        lines->decided++;
}

static char undecided_of(enum record_stream stream)
{
    return (char)(MARK_UNDECIDED + (int)stream);
}

static bool has_undecided(const struct line_filter *lines, enum record_stream stream)
{
    size_t at = lines->decided - lines->base;
    return lines->decided < lines->next && memchr(lines->marks.data + at, undecided_of(stream), lines->marks.len - at);
}

static bool is_open(const struct line_filter *lines, enum record_stream stream)
{
    return lines->open >> stream & 1;
}

// Looks at the text of the group's open line. Returns an error when the budget is spent.
static int look_at_text(struct group *group, const struct line_filter *lines, struct filter_run *run)
{
    if (group->hit || group->matched)
        return 0;
    int match = filter_match_text(lines->filter, run, buf_str(&group->text));
    if (match < 0)
        return match;
    group->hit = (match == 1) != lines->invert;
    return 0;
}

// What a group is by what is known of it. One that was a match stays one.
static bool is_match(struct group *group, const struct line_filter *lines)
{
    group->matched |= group->hit != lines->invert;
    return group->matched;
}

// With grep alone, more text cannot undo a match.
static bool known_early(const struct group *group, const struct line_filter *lines, size_t before)
{
    const struct filter_rules *rules = &lines->filter->rules;
    if (rules->regex || rules->invert)
        return false;
    size_t from = before - MIN(before, rules->grep.len - 1);
    return filter_match_text(lines->filter, NULL, str_n(group->text.data + from, group->text.len - from)) == 1;
}

static void begin_group(struct line_filter *lines, enum record_stream stream)
{
    struct group *group = &lines->groups[stream];
    group->hit = group->matched = false;
    group->first = lines->next;
    buf_reset(&group->text);
}

static void close_line(struct line_filter *lines, enum record_stream stream)
{
    lines->open &= ~(1u << stream);
    buf_reset(&lines->groups[stream].text);
}

void line_filter_settle_group(struct line_filter *lines)
{
    if (!lines->pending && (lines->marks.len == 0 || lines->marks.data[lines->marks.len - 1] != MARK_UNSEEN))
        return;
    if (lines->pending)
        settle_marks(lines, undecided_of(lines->stream), is_match(&lines->groups[lines->stream], lines));
    else
        settle_marks(lines, MARK_UNSEEN, false);
    lines->pending = false;
}

// Decides the undecided records of an open line by the part that was read.
static int settle_line(struct line_filter *lines, struct filter_run *run, enum record_stream stream)
{
    struct group *group = &lines->groups[stream];
    if (!is_open(lines, stream) || !has_undecided(lines, stream))
        return 0;
    int err = look_at_text(group, lines, run);
    if (err < 0)
        return err;
    settle_marks(lines, undecided_of(stream), is_match(group, lines));
    return 0;
}

// Closes lines that are too long, or whose next record does not come.
static int close_long(struct line_filter *lines, struct filter_run *run)
{
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        enum record_stream stream = (enum record_stream)i;
        if (!is_open(lines, stream) || lines->next - lines->groups[i].first < LINE_SPAN_MAX)
            continue;
        int err = settle_line(lines, run, stream);
        if (err < 0)
            return err;
        close_line(lines, stream);
    }
    return 0;
}

// --- Records

struct taken {
    const struct record *record;
    bool wanted;    // by the rules for fields
    bool continues; // goes on with the group of the record before it
    bool goes_on;   // the next record may go on with it
};

// Takes a record that is a part of a longer line, or of a group.
static int take_part(struct line_filter *lines, struct filter_run *run, const struct taken *taken)
{
    const struct record *record = taken->record;
    enum record_stream stream = record->stream;
    struct group *group = &lines->groups[stream];
    bool wanted = taken->wanted && lines->next >= lines->from;
    if (!taken->continues && !is_open(lines, stream))
        begin_group(lines, stream);
    size_t before = group->text.len;
    buf_append_str(&group->text, record->message);
    bool line_ends = !record->partial || group->text.len >= LINE_TEXT_MAX;
    bool hit = group->hit || known_early(group, lines, before);
    if (line_ends && !hit && (wanted || taken->goes_on || has_undecided(lines, stream))) {
        int err = look_at_text(group, lines, run);
        if (err < 0) {
            group->text.len = before; // the record will be taken again
            return err;
        }
    }
    group->hit |= hit;
    put_marks(lines, wanted ? undecided_of(stream) : MARK_NO, 1);
    lines->open |= 1u << stream;
    lines->pending = line_ends && taken->goes_on;
    if (group->hit || group->matched || (line_ends && !taken->goes_on))
        settle_marks(lines, undecided_of(stream), is_match(group, lines));
    if (line_ends)
        close_line(lines, stream);
    return 0;
}

// Whether the record goes on with the one before it.
static bool goes_on_with(struct line_filter *lines, const struct record *record)
{
    return record->continues && lines->before == BEFORE_SEEN && lines->stream == record->stream &&
           lines->next - lines->groups[record->stream].first < LINE_SPAN_MAX;
}

// The record continues one that was not looked at. Returns false if that can not, or need not, be looked at.
static bool look_back(struct line_filter *lines)
{
    uint64_t target = lines->next - 1;
    if (lines->next == lines->careful || (lines->next == lines->start && lines->looked_back))
        return false;
    if (lines->next == lines->start) {
        target = MAX(lines->log_first, lines->next - MIN(lines->next, (uint64_t)LINE_SPAN_MAX));
        lines->looked_back = true;
        lines->start = target;
    } else {
        lines->careful = target;
    }
    lines->before = target > lines->log_first ? BEFORE_UNSEEN : BEFORE_NONE;
    lines->before_wanted = false;
    lines->marks.len = target > lines->base ? target - lines->base : 0;
    lines->base = MIN(lines->base, target);
    lines->decided = MIN(lines->decided, target);
    lines->next = target;
    return true;
}

// Takes the next record: record `i` of the chunk, or one that is in no chunk.
static int take(struct line_filter *lines, struct filter_run *run, const struct chunk *chunk, uint32_t i,
                const struct record *record)
{
    enum record_stream stream = record->stream;
    int err = lines->open ? close_long(lines, run) : 0;
    if (err < 0)
        return err;
    struct taken taken = {.record = record, .continues = goes_on_with(lines, record)};
    if (!taken.continues)
        line_filter_settle_group(lines);
    taken.goes_on = lines->joins && chunk && (i + 1 == chunk_count(chunk) || chunk_continues(chunk, i + 1));
    taken.wanted =
        taken.continues ? lines->groups[stream].wanted : filter_match_fields(lines->filter, run, chunk, i, record);
    bool part = lines->joins && (record->partial || taken.goes_on || taken.continues || is_open(lines, stream));
    if (part && filter_wants_stream(lines->filter, stream)) {
        err = take_part(lines, run, &taken);
    } else {
        int match = taken.wanted && lines->next >= lines->from;
        match = match ? filter_match_text(lines->filter, run, record->message) : 0;
        err = MIN(match, 0);
        if (!taken.continues)
            begin_group(lines, stream);
        if (err == 0)
            put_marks(lines, match ? MARK_MATCH : MARK_NO, 1);
    }
    if (err < 0)
        return err;
    lines->before = BEFORE_SEEN;
    lines->stream = stream;
    lines->groups[stream].wanted = lines->before_wanted = taken.wanted;
    return 0;
}

// Marks what the chunk's header alone decides.
static void pass_over(struct line_filter *lines, const struct chunk *chunk, uint64_t end)
{
    bool by_fields = excludes_fields(lines->filter, chunk);
    line_filter_settle_group(lines);
    put_marks(lines, MARK_NO, end - lines->next - 1);
    put_marks(lines, by_fields ? MARK_NO : MARK_UNSEEN, 1);
    lines->before = BEFORE_UNSEEN;
    lines->before_wanted = !by_fields;
}

// Takes the picks of a front. What lies between them does not pass the rules for fields.
static int feed_picks(struct line_filter *lines, struct filter_run *run, const struct chunk *chunk, uint64_t first,
                      uint64_t end)
{
    while (lines->next < end) {
        struct record record;
        uint32_t place;
        bool found = chunk_pick_next(chunk, (uint32_t)(lines->next - first), &place, &record) && first + place < end;
        uint64_t to = found ? first + place : end;
        if (to > lines->next) {
            line_filter_settle_group(lines);
            put_marks(lines, MARK_NO, to - lines->next);
            lines->before = BEFORE_UNSEEN;
            lines->before_wanted = false;
        }
        int err = found ? take(lines, run, NULL, 0, &record) : 0;
        if (err < 0)
            return err;
    }
    return 0;
}

// Whether each record of the chunk is a line and a group of its own, unless the next chunk goes on with its last one.
static bool is_plain(const struct line_filter *lines, const struct chunk *chunk)
{
    return lines->joins && !lines->invert && !lines->open && chunk_partial_count(chunk) == 0 &&
           chunk_continues_count(chunk) == 0 && chunk_is_lines(chunk);
}

// Passes over what lies before the first text that matches. The texts are searched as one piece of memory.
static int skip_to_match(struct line_filter *lines, struct filter_run *run, const struct chunk *chunk, uint64_t first,
                         uint64_t end)
{
    struct str text, line;
    uint32_t from = (uint32_t)(lines->next - first), to = (uint32_t)(end - first);
    int err = chunk_column(chunk, NULL, &text);
    if (err < 0)
        return err;
    // What lies before the first record that is wanted only has to be passed.
    uint32_t wanted = (uint32_t)(MIN(MAX(lines->next, lines->from), end) - first);
    size_t at = chunk_text_offset(chunk, wanted);
    const struct filter_column column = filter_column_of(str_n(text.data + at, chunk_text_offset(chunk, to) - at));
    int found = filter_find_line(lines->filter, run, &column, 0, &line);
    uint32_t count = found == 0 ? to - from : wanted - from + (uint32_t)newlines_count(column.text.data, line.data);
    if (count == 0)
        return MIN(found, 0);
    bool last = from + count == chunk_count(chunk);
    line_filter_settle_group(lines);
    put_marks(lines, MARK_NO, count - last);
    put_marks(lines, MARK_UNSEEN, last);
    lines->before = BEFORE_UNSEEN;
    lines->before_wanted = true;
    return MIN(found, 0);
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
        pass_over(lines, chunk, end);
    if (lines->next < end && chunk_is_front(chunk))
        return feed_picks(lines, run, chunk, first, end);
    bool plain = lines->next < end && is_plain(lines, chunk);
    while (lines->next < end) {
        struct record record;
        int skipped = plain && lines->next != lines->careful ? skip_to_match(lines, run, chunk, first, end) : 0;
        if (skipped < 0)
            return skipped;
        if (lines->next == end)
            break;
        uint32_t i = (uint32_t)(lines->next - first);
        chunk_record(chunk, i, &record);
        if (record.continues && lines->before == BEFORE_UNSEEN && look_back(lines))
            return 0;
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
    line_filter_settle_group(lines);
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
    lines->base = lines->decided = lines->start = lines->next;
    lines->log_first = MAX(lines->log_first, lines->next);
    lines->before = BEFORE_NONE;
    lines->pending = lines->before_wanted = false;
}
