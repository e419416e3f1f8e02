// Counts records. What the header of a chunk says is taken from there; only structured fields are looked at one by one,
// each extra once.
#include "model/record_fields.h"
#include "model/scan.h"
#include "model/summary_private.h"

// The members that count, as raw JSON; empty: absent.
struct extra {
    struct str event_type, category, node_id, node_name, node_type, step_number, total_steps, percent, message,
        milestone;
};

// In the order in which they stand in an extra. Those behind them are the large ones.
static const struct wanted {
    struct str name;
    size_t at;
} wanted[] = {
    {{"event_type", 10}, offsetof(struct extra, event_type)},
    {{"category", 8}, offsetof(struct extra, category)},
    {{"node_id", 7}, offsetof(struct extra, node_id)},
    {{"node_name", 9}, offsetof(struct extra, node_name)},
    {{"node_type", 9}, offsetof(struct extra, node_type)},
    {{"step_number", 11}, offsetof(struct extra, step_number)},
    {{"total_steps", 11}, offsetof(struct extra, total_steps)},
    {{"progress_percentage", 19}, offsetof(struct extra, percent)},
    {{"user_friendly_message", 21}, offsetof(struct extra, message)},
    {{"is_milestone", 12}, offsetof(struct extra, milestone)},
};

// What decoding needs, for one chunk.
struct fold {
    struct summary *summary;
    struct buf event_type, id, name, type, message; // a text that is written with escapes
};

static void fold_release(struct fold *fold)
{
    buf_release(&fold->event_type);
    buf_release(&fold->id);
    buf_release(&fold->name);
    buf_release(&fold->type);
    buf_release(&fold->message);
}

static struct extra extra_of(struct str json)
{
    struct extra extra = {0};
    struct str name, value;
    size_t next = 0;
    while (next < ARRAY_LEN(wanted) && record_extra_next(&json, &name, &value) && !str_eq(name, STR("data"))) {
        for (size_t i = next; i < ARRAY_LEN(wanted); i++) {
            if (!str_eq(name, wanted[i].name))
                continue;
            *(struct str *)(void *)((char *)&extra + wanted[i].at) = value;
            next = i + 1;
            break;
        }
    }
    return extra;
}

// The text of a JSON string, at most `max` bytes of it. It may lie in *scratch.
static struct str text_of(struct str json, size_t max, struct buf *scratch)
{
    if (json.len < 2 || json.data[0] != '"')
        return str_n(NULL, 0);
    struct str body = str_n(json.data + 1, json.len - 2);
    if (str_find(body, '\\')) {
        struct scan scan = {json.data, json.data + json.len};
        bool escaped;
        if (!scan_string(&scan, &body, &escaped))
            return str_n(NULL, 0);
        buf_reset(scratch);
        buf_reserve(scratch, body.len);
        scratch->len = scan_decode(body, scratch->data);
        body = buf_str(scratch);
    }
    return str_n(body.data, utf8_prefix(body.data, body.len, max));
}

static void set_text(struct buf *buf, struct str text)
{
    if (text.len == 0 || str_eq(buf_str(buf), text))
        return;
    buf_reset(buf);
    buf_append_str(buf, text);
}

static bool is_error(enum record_level level)
{
    return level == LEVEL_ERROR || level == LEVEL_CRITICAL;
}

// --- One record's structured fields

static void count_event_type(struct summary *summary, struct str name)
{
    if (name.len == 0)
        return;
    struct summary_event_type *type = summary_event_type_take(summary, name);
    *(type ? &type->count : &summary->other_events) += 1;
}

static void set_number(struct str json, bool *has, uint64_t *number)
{
    uint64_t value;
    if (!str_to_u64(json, &value))
        return;
    *has = true;
    *number = value;
}

static void apply_event(struct summary_node *node, struct str event_type, int64_t time_ms)
{
    struct node_progress before = node->progress;
    node_progress_apply(&node->progress, event_type, time_ms);
    bool again = node->progress.attempts > before.attempts;
    if (before.attempts > 0 && node_state_over(before.state) && (again || node->progress.state == NODE_PENDING))
        summary_earlier_add(node, &(struct summary_attempt){before.state, before.times});
    if (again)
        node->has_percent = false;
}

// A node's progress, after its event: what a new attempt's first record tells is of that attempt.
static void set_progress(struct summary_node *node, const struct extra *extra)
{
    uint64_t percent = record_percent_parse(extra->percent);
    set_number(extra->step_number, &node->has_step_number, &node->step_number);
    set_number(extra->total_steps, &node->has_total_steps, &node->total_steps);
    if (percent > RECORD_PERCENT_MAX)
        return;
    node->has_percent = true;
    node->percent = (uint16_t)percent;
}

static void count_node(struct fold *fold, const struct extra *extra, const struct record *record, uint64_t number,
                       struct str event_type, struct str line)
{
    struct str id = text_of(extra->node_id, SUMMARY_NAME_MAX, &fold->id);
    struct str name = text_of(extra->node_name, SUMMARY_NAME_MAX, &fold->name);
    if (id.len == 0 && name.len == 0)
        return;
    struct summary_node *node = summary_node_take(fold->summary, id.len > 0 ? id : name);
    if (!node) {
        fold->summary->other_nodes++;
        return;
    }
    set_text(&node->name, name);
    set_text(&node->type, text_of(extra->node_type, SUMMARY_NAME_MAX, &fold->type));
    set_text(&node->last_line, line);
    if (node->records++ == 0)
        node->first_ms = record->time_ms;
    node->levels[record->level]++;
    node->last_sequence = number;
    apply_event(node, event_type, record->time_ms);
    set_progress(node, extra);
}

static void count_milestone(struct summary *summary, const struct record *record, uint64_t number,
                            struct str event_type, struct str line)
{
    summary->milestone_count++;
    struct summary_milestone *milestone = summary_milestone_add(summary);
    if (!milestone)
        return;
    milestone->sequence_number = number;
    milestone->time_ms = record->time_ms;
    buf_append_str(&milestone->message, line);
    buf_append_str(&milestone->event_type, event_type);
}

static void count_extra(struct fold *fold, const struct record *record, uint64_t number)
{
    struct extra extra = extra_of(record->extra);
    struct str event_type = text_of(extra.event_type, SUMMARY_NAME_MAX, &fold->event_type);
    struct str line = text_of(extra.message, SUMMARY_LINE_MAX, &fold->message);
    if (line.len == 0)
        line = str_n(record->message.data, utf8_prefix(record->message.data, record->message.len, SUMMARY_LINE_MAX));
    count_event_type(fold->summary, event_type);
    fold->summary->business += str_eq(extra.category, STR("\"business\""));
    count_node(fold, &extra, record, number, event_type, line);
    if (str_eq(extra.milestone, STR("true")))
        count_milestone(fold->summary, record, number, event_type, line);
}

// --- Chunks

static void add_time(struct summary *summary, bool any, int64_t least, int64_t greatest)
{
    summary->first_ms = any ? MIN(summary->first_ms, least) : least;
    summary->last_ms = any ? MAX(summary->last_ms, greatest) : greatest;
}

static void add_header(struct summary *summary, const struct chunk *chunk)
{
    add_time(summary, summary_records(summary) > 0, chunk_time_min(chunk), chunk_time_max(chunk));
    for (unsigned i = 0; i < STREAM_COUNT; i++)
        summary->streams[i] += chunk_stream_count(chunk, (enum record_stream)i);
    for (unsigned i = 0; i < LEVEL_COUNT; i++)
        summary->levels[i] += chunk_level_count(chunk, (enum record_level)i);
}

// What the header tells of whole chunks.
static void add_core(struct summary *summary, const struct record *record)
{
    add_time(summary, summary_records(summary) > 0, record->time_ms, record->time_ms);
    summary->streams[record->stream]++;
    summary->levels[record->level]++;
}

static bool has_first_error(const struct summary *summary, const struct chunk *chunk)
{
    return summary->first_error == UINT64_MAX &&
           chunk_level_count(chunk, LEVEL_ERROR) + chunk_level_count(chunk, LEVEL_CRITICAL) > 0;
}

bool summary_wants_open(const struct summary *summary, const struct chunk *chunk, uint64_t first)
{
    bool known = first + chunk_count(chunk) <= summary->next, whole = first == summary->next;
    return !known && (!whole || chunk_extra_count(chunk) > 0 || has_first_error(summary, chunk));
}

static void add_records(struct summary *summary, const struct chunk *chunk, uint64_t first, bool whole)
{
    CLEANUP(fold_release) struct fold fold = {.summary = summary};
    for (uint32_t i = (uint32_t)(summary->next - first); i < chunk_count(chunk); i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        enum record_level level = record_level_of(&record);
        if (whole) { // the header has counted it by what is stored
            summary->levels[record.level]--;
            summary->levels[level]++;
        }
        record.level = level;
        if (!whole)
            add_core(summary, &record);
        if (is_error(record.level) && summary->first_error == UINT64_MAX)
            summary->first_error = first + i;
        if (record.extra.len > 0)
            count_extra(&fold, &record, first + i);
    }
}

int summary_add(struct summary *summary, const struct chunk *chunk, uint64_t first)
{
    uint64_t end = first + chunk_count(chunk);
    if (first > summary->next)
        return ERR_GAP;
    if (end <= summary->next)
        return 0;
    bool whole = first == summary->next, open = summary_wants_open(summary, chunk, first);
    if (whole)
        add_header(summary, chunk);
    if (open)
        add_records(summary, chunk, first, whole);
    summary->next = end;
    return 0;
}

void summary_skip(struct summary *summary, uint64_t next)
{
    summary->next = MAX(summary->next, next);
}
