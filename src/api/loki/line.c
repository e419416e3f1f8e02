#include "api/loki/push.h"

static const struct known_key known_keys[] = {
    {"run_id", KNOWN_EXECUTION},
    {"node", KNOWN_NODE_ID},
    {"stream", KNOWN_STREAM},
    {"level", KNOWN_LEVEL},
    {"detected_level", KNOWN_LEVEL_FOUND},
    {0},
};

void loki_pairs_reset(struct loki_pairs *pairs)
{
    known_reset(&pairs->known);
    buf_reset(&pairs->json);
    pairs->bytes = 0;
}

void loki_pairs_add(struct loki_pairs *pairs, struct str name, struct str value)
{
    CLEANUP(buf_release) struct buf key = {0};
    pairs->bytes += name.len + value.len;
    if (known_take(&pairs->known, known_keys, name, value))
        return;
    if (pairs->json.len)
        buf_append_byte(&pairs->json, ',');
    known_append_key(name, &key);
    buf_append_json_string(&pairs->json, buf_str(&key));
    buf_append_byte(&pairs->json, ':');
    buf_append_json_string(&pairs->json, value);
}

static void pairs_release(struct loki_pairs *pairs)
{
    known_release(&pairs->known);
    buf_release(&pairs->json);
}

void loki_push_release(struct loki_push *push)
{
    pairs_release(&push->labels);
    pairs_release(&push->metadata);
    buf_release(&push->extra);
    buf_release(&push->scratch);
    free(push->entries);
}

int loki_push_add(struct loki_push *push, const struct loki_entry *entry)
{
    if (push->count == ARRIVALS_BYTES_MAX / ARRIVAL_COST)
        return ERR_TOO_LARGE;
    if (push->count == push->capacity) {
        push->capacity = MAX(push->capacity * 2, 64u);
        push->entries = xrealloc(push->entries, push->capacity * sizeof(*push->entries));
    }
    push->entries[push->count] = *entry;
    push->entries[push->count].order = push->count;
    push->count++;
    return 0;
}

static int earlier(const void *left, const void *right)
{
    const struct loki_entry *one = left, *other = right;
    if (one->ns != other->ns)
        return one->ns < other->ns ? -1 : 1;
    return one->order < other->order ? -1 : 1;
}

void loki_push_sort(struct loki_push *push)
{
    if (push->count > 1)
        qsort(push->entries, push->count, sizeof(*push->entries), earlier);
}

static void write_pairs(struct json_writer *json, const char *name, const struct loki_pairs *pairs)
{
    CLEANUP(buf_release) struct buf object = {0};
    if (pairs->json.len == 0)
        return;
    buf_append_byte(&object, '{');
    buf_append_str(&object, buf_str(&pairs->json));
    buf_append_byte(&object, '}');
    json_add_raw(json, name, buf_str(&object));
}

// Returns why it cannot be a record; NULL: it can.
static const char *fill_extra(struct loki_push *push, const struct known_event *known)
{
    CLEANUP(buf_release) struct buf data = {0};
    buf_reset(&push->extra);
    const char *reason = known_append(known, KNOWN_NODE_ID, FIELD_node_id, &push->extra, &push->scratch);
    struct json_writer json = json_writer_to(&data);
    json_open_object(&json, NULL);
    write_pairs(&json, "labels", &push->labels);
    write_pairs(&json, "metadata", &push->metadata);
    json_close(&json);
    if (!reason && data.len > 2)
        reason = record_field_append(&push->extra, FIELD_data, buf_str(&data), &push->scratch);
    return reason || push->extra.len <= RECORD_EXTRA_MAX ? reason : "its labels are larger than 64 KiB";
}

int loki_push_line(struct loki_push *push, int64_t time_ms, struct str line)
{
    int err = arrivals_spend(&push->spent, push->labels.bytes + push->metadata.bytes + line.len);
    if (err)
        return err;
    const struct known_event known = {&push->metadata.known, &push->labels.known};
    const char *reason = fill_extra(push, &known);
    if (reason) {
        push->reader->refused(push->reader->arg, reason);
        return 0;
    }
    const struct arrival arrival = {
        .execution_id = known_get(&known, KNOWN_EXECUTION),
        .record = {.time_ms = time_ms,
                   .stream = known_stream(&known),
                   .level = known_level(&known),
                   .message = line,
                   .extra = buf_str(&push->extra)},
    };
    push->reader->each(push->reader->arg, &arrival);
    return 0;
}
