// A summary as bytes: a version; then varints, and texts with their length before them. In the order of the struct;
// what a later version has added stands behind the rest of its part.
#include "model/record_fields.h"
#include "model/summary_private.h"

#define VERSION   2
#define OLDEST    1                 // without progress, the number of steps, and earlier attempts
#define COUNT_MAX (UINT64_MAX >> 8) // so that no sum of some counts overflows

// --- Writing

static void put_text(struct buf *out, const struct buf *text)
{
    buf_append_varint(out, text->len);
    buf_append_str(out, buf_str(text));
}

static void put_counts(struct buf *out, const uint64_t *counts, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_append_varint(out, counts[i]);
}

static void put_times(struct buf *out, const struct node_times *times)
{
    buf_append_svarint(out, times->queued_ms);
    buf_append_svarint(out, times->started_ms);
    buf_append_svarint(out, times->ended_ms);
}

static void put_optional(struct buf *out, bool has, uint64_t number)
{
    buf_append_varint(out, has ? number + 1 : 0);
}

static void put_node(struct buf *out, const struct summary_node *node)
{
    const struct node_progress *progress = &node->progress;
    put_text(out, &node->id);
    put_text(out, &node->name);
    put_text(out, &node->type);
    put_text(out, &node->last_line);
    buf_append_varint(out, progress->state);
    buf_append_varint(out, progress->attempts);
    put_times(out, &progress->times);
    buf_append_varint(out, node->records);
    put_counts(out, node->levels, LEVEL_COUNT);
    buf_append_varint(out, node->has_step_number);
    buf_append_varint(out, node->step_number);
    buf_append_svarint(out, node->first_ms);
    buf_append_varint(out, node->last_sequence);
    put_optional(out, node->has_total_steps, node->total_steps);
    put_optional(out, node->has_percent, node->percent);
    buf_append_varint(out, node->earlier_count);
    for (size_t i = 0; i < node->earlier_count; i++) {
        buf_append_varint(out, node->earlier[i].state);
        put_times(out, &node->earlier[i].times);
    }
}

void summary_encode(const struct summary *summary, struct buf *out)
{
    buf_append_byte(out, VERSION);
    buf_append_varint(out, summary->first);
    buf_append_varint(out, summary->next);
    put_counts(out, summary->streams, STREAM_COUNT);
    put_counts(out, summary->levels, LEVEL_COUNT);
    buf_append_varint(out, summary->business);
    buf_append_varint(out, summary->other_events);
    buf_append_varint(out, summary->other_nodes);
    buf_append_varint(out, summary->first_error + 1); // 0: none
    buf_append_svarint(out, summary->first_ms);
    buf_append_svarint(out, summary->last_ms);
    buf_append_varint(out, summary->event_type_count);
    for (size_t i = 0; i < summary->event_type_count; i++) {
        put_text(out, &summary->event_types[i].name);
        buf_append_varint(out, summary->event_types[i].count);
    }
    buf_append_varint(out, summary->milestone_count);
    buf_append_varint(out, summary->milestones_kept);
    for (size_t i = 0; i < summary->milestones_kept; i++) {
        const struct summary_milestone *milestone = &summary->milestones[i];
        buf_append_varint(out, milestone->sequence_number);
        buf_append_svarint(out, milestone->time_ms);
        put_text(out, &milestone->message);
        put_text(out, &milestone->event_type);
    }
    buf_append_varint(out, summary->node_count);
    for (size_t i = 0; i < summary->node_count; i++)
        put_node(out, &summary->nodes[i]);
}

// --- Reading. Each function returns false for bytes that cannot be.

struct input {
    const uint8_t *at, *end;
    uint8_t version;
};

static bool get(struct input *input, uint64_t max, uint64_t *ret)
{
    return varint_read(&input->at, input->end, ret) && *ret <= max;
}

static bool get_time(struct input *input, int64_t *ret)
{
    return svarint_read(&input->at, input->end, ret);
}

static bool get_times(struct input *input, struct node_times *ret)
{
    return get_time(input, &ret->queued_ms) && get_time(input, &ret->started_ms) && get_time(input, &ret->ended_ms);
}

static bool get_optional(struct input *input, uint64_t max, bool *ret_has, uint64_t *ret)
{
    uint64_t number;
    if (!get(input, max + 1, &number))
        return false;
    *ret_has = number > 0;
    *ret = number > 0 ? number - 1 : 0;
    return true;
}

static bool get_counts(struct input *input, uint64_t *ret, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (!get(input, COUNT_MAX, &ret[i]))
            return false;
    }
    return true;
}

static bool get_text(struct input *input, size_t max, struct str *ret)
{
    uint64_t len;
    if (!get(input, max, &len) || len > (size_t)(input->end - input->at))
        return false;
    *ret = str_n((const char *)input->at, len);
    input->at += len;
    return true;
}

static bool get_buf(struct input *input, size_t max, struct buf *ret)
{
    struct str text;
    if (!get_text(input, max, &text))
        return false;
    buf_append_str(ret, text);
    return true;
}

static uint64_t sum(const uint64_t *counts, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += counts[i];
    return sum;
}

static bool get_head(struct input *input, struct summary *summary)
{
    uint64_t first_error;
    if (!get(input, COUNT_MAX, &summary->first) || !get(input, COUNT_MAX, &summary->next) ||
        !get_counts(input, summary->streams, STREAM_COUNT) || !get_counts(input, summary->levels, LEVEL_COUNT) ||
        !get(input, COUNT_MAX, &summary->business) || !get(input, COUNT_MAX, &summary->other_events) ||
        !get(input, COUNT_MAX, &summary->other_nodes) || !get(input, COUNT_MAX, &first_error) ||
        !get_time(input, &summary->first_ms) || !get_time(input, &summary->last_ms))
        return false;
    summary->first_error = first_error - 1; // of 0 it is UINT64_MAX
    uint64_t records = sum(summary->streams, STREAM_COUNT);
    return summary->first <= summary->next && records <= summary->next - summary->first &&
           sum(summary->levels, LEVEL_COUNT) == records;
}

static bool get_event_types(struct input *input, struct summary *summary)
{
    uint64_t count, typed = summary->other_events;
    if (!get(input, SUMMARY_EVENT_TYPES_MAX, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct str name;
        if (!get_text(input, SUMMARY_NAME_MAX, &name))
            return false;
        struct summary_event_type *type = summary_event_type_take(summary, name);
        if (summary->event_type_count != i + 1 || !get(input, COUNT_MAX, &type->count))
            return false; // it stands there twice
        typed += type->count;
    }
    return typed <= summary_records(summary);
}

static bool get_milestones(struct input *input, struct summary *summary)
{
    uint64_t kept;
    if (!get(input, summary_records(summary), &summary->milestone_count) ||
        !get(input, SUMMARY_MILESTONES_MAX, &kept) || kept > summary->milestone_count)
        return false;
    for (size_t i = 0; i < kept; i++) {
        struct summary_milestone *milestone = summary_milestone_add(summary);
        if (!get(input, COUNT_MAX, &milestone->sequence_number) || !get_time(input, &milestone->time_ms) ||
            !get_buf(input, SUMMARY_LINE_MAX, &milestone->message) ||
            !get_buf(input, SUMMARY_NAME_MAX, &milestone->event_type))
            return false;
    }
    return true;
}

static bool get_earlier(struct input *input, struct summary_node *node)
{
    uint64_t count, state;
    if (!get(input, SUMMARY_EARLIER_MAX, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        struct summary_attempt attempt;
        if (!get(input, NODE_STATE_COUNT - 1, &state) || !node_state_over((enum node_state)state) ||
            !get_times(input, &attempt.times))
            return false;
        attempt.state = (enum node_state)state;
        summary_earlier_add(node, &attempt);
    }
    return true;
}

static bool get_node_since_2(struct input *input, struct summary_node *node)
{
    uint64_t percent;
    if (!get_optional(input, COUNT_MAX, &node->has_total_steps, &node->total_steps) ||
        !get_optional(input, RECORD_PERCENT_MAX, &node->has_percent, &percent) || !get_earlier(input, node))
        return false;
    node->percent = (uint16_t)percent;
    return true;
}

static bool get_node(struct input *input, struct summary *summary)
{
    struct str id;
    size_t before = summary->node_count;
    if (!get_text(input, SUMMARY_NAME_MAX, &id) || id.len == 0)
        return false;
    struct summary_node *node = summary_node_take(summary, id);
    if (summary->node_count == before)
        return false;
    uint64_t state, has_step_number;
    struct node_progress *progress = &node->progress;
    if (!get_buf(input, SUMMARY_NAME_MAX, &node->name) || !get_buf(input, SUMMARY_NAME_MAX, &node->type) ||
        !get_buf(input, SUMMARY_LINE_MAX, &node->last_line) || !get(input, NODE_STATE_COUNT - 1, &state) ||
        !get(input, COUNT_MAX, &progress->attempts) || !get_times(input, &progress->times) ||
        !get(input, COUNT_MAX, &node->records) || !get_counts(input, node->levels, LEVEL_COUNT) ||
        !get(input, 1, &has_step_number) || !get(input, COUNT_MAX, &node->step_number) ||
        !get_time(input, &node->first_ms) || !get(input, COUNT_MAX, &node->last_sequence))
        return false;
    progress->state = (enum node_state)state;
    node->has_step_number = has_step_number;
    return sum(node->levels, LEVEL_COUNT) == node->records && (input->version < 2 || get_node_since_2(input, node));
}

static bool get_nodes(struct input *input, struct summary *summary)
{
    uint64_t count;
    if (!get(input, SUMMARY_NODES_MAX, &count))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!get_node(input, summary))
            return false;
    }
    return true;
}

int summary_decode(struct str bytes, struct summary *ret)
{
    summary_init(ret, 0);
    struct input input = {(const uint8_t *)bytes.data, (const uint8_t *)bytes.data + bytes.len, 0};
    if (bytes.len == 0 || bytes.len > SUMMARY_ENCODED_MAX)
        return ERR_CORRUPT;
    input.version = *input.at++;
    if (input.version < OLDEST || input.version > VERSION)
        return input.version > VERSION ? ERR_TOO_NEW : ERR_CORRUPT;
    if (get_head(&input, ret) && get_event_types(&input, ret) && get_milestones(&input, ret) &&
        get_nodes(&input, ret) && input.at == input.end)
        return 0;
    summary_release(ret);
    return ERR_CORRUPT;
}
