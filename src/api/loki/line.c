#include "api/loki/push.h"
#include "model/record_fields.h"

static const struct str known_keys[] = {
#define LOKI_KNOWN_KEY(name, key) {key, sizeof(key) - 1},
    LOKI_KNOWN(LOKI_KNOWN_KEY)
#undef LOKI_KNOWN_KEY
};

void loki_pairs_reset(struct loki_pairs *pairs)
{
    for (size_t i = 0; i < LOKI_KNOWN_COUNT; i++)
        buf_reset(&pairs->known[i]);
    buf_reset(&pairs->json);
}

void loki_pairs_add(struct loki_pairs *pairs, struct str name, struct str value)
{
    for (size_t i = 0; i < LOKI_KNOWN_COUNT; i++) {
        if (!str_eq(name, known_keys[i]))
            continue;
        buf_reset(&pairs->known[i]);
        buf_append_str(&pairs->known[i], value);
        return;
    }
    if (pairs->json.len)
        buf_append_byte(&pairs->json, ',');
    buf_append_json_string(&pairs->json, name);
    buf_append_byte(&pairs->json, ':');
    buf_append_json_string(&pairs->json, value);
}

static void pairs_release(struct loki_pairs *pairs)
{
    for (size_t i = 0; i < LOKI_KNOWN_COUNT; i++)
        buf_release(&pairs->known[i]);
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

void loki_push_add(struct loki_push *push, const struct loki_entry *entry)
{
    if (push->count == push->capacity) {
        push->capacity = MAX(push->capacity * 2, 64u);
        push->entries = xrealloc(push->entries, push->capacity * sizeof(*push->entries));
    }
    push->entries[push->count] = *entry;
    push->entries[push->count].order = push->count;
    push->count++;
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

static struct str known(const struct loki_push *push, enum loki_known which)
{
    const struct buf *own = &push->metadata.known[which];
    return buf_str(own->len ? own : &push->labels.known[which]);
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
static const char *fill_extra(struct loki_push *push)
{
    CLEANUP(buf_release) struct buf node = {0}, data = {0};
    struct str name = known(push, LOKI_NODE);
    const char *reason = NULL;
    buf_reset(&push->extra);
    if (name.len) {
        buf_append_json_string(&node, name);
        reason = record_field_append(&push->extra, FIELD_node_id, buf_str(&node), &push->scratch);
    }
    struct json_writer json = json_writer_to(&data);
    json_open_object(&json, NULL);
    write_pairs(&json, "labels", &push->labels);
    write_pairs(&json, "metadata", &push->metadata);
    json_close(&json);
    if (!reason && data.len > 2)
        reason = record_field_append(&push->extra, FIELD_data, buf_str(&data), &push->scratch);
    return reason || push->extra.len <= RECORD_EXTRA_MAX ? reason : "its labels are larger than 64 KiB";
}

void loki_push_line(struct loki_push *push, int64_t time_ms, struct str line)
{
    struct loki_line ret = {.record = {.time_ms = time_ms, .message = line}, .run = known(push, LOKI_RUN)};
    struct str level = known(push, LOKI_LEVEL);
    const char *reason = fill_extra(push);
    if (reason) {
        push->reader->refused(push->reader->arg, reason);
        return;
    }
    ret.record.extra = buf_str(&push->extra);
    if (!record_stream_parse(known(push, LOKI_STREAM), &ret.record.stream))
        ret.record.stream = STREAM_STDOUT;
    if (!record_level_parse(level.len ? level : known(push, LOKI_DETECTED), &ret.record.level))
        ret.record.level = LEVEL_UNSET;
    push->reader->each(push->reader->arg, &ret);
}
