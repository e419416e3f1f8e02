#include "mirror/loki/part.h"

#include "model/record_fields.h"
#include "util/map.h"
#include "util/protobuf.h"

#include <snappy-c.h>

struct group { // a stream of Loki
    struct map_node node;
    struct group *next;
    struct buf labels, entries;
};

struct named { // a node of the run
    struct map_node node;
    struct named *next;
    struct mirror_place place;
};

struct loki_groups {
    struct map by_labels, by_node;
    struct group *first, **end;
    struct named *first_node, **end_node;
    struct named *last; // the one of the record before; and its stream
    struct group *last_group;
    enum record_stream last_stream;
    enum record_level last_level;
    struct buf labels, scratch, message, entry, metadata;
    size_t node_count, bytes;
};

// --- Nodes and streams

static struct str place_key(const struct named *named)
{
    return str_of(named->place.node);
}

static struct named *node_get(struct loki_part *part, struct str name)
{
    struct loki_groups *groups = part->groups;
    if (groups->last && str_eq(place_key(groups->last), name))
        return groups->last;
    struct map_node *node = map_find(&groups->by_node, name);
    struct named *named = node ? CONTAINER_OF(node, struct named, node) : NULL;
    if (!named) {
        named = xcalloc(1, sizeof(*named));
        named->place =
            (struct mirror_place){.labels = (int)part->options.labels, .from_ms = INT64_MAX, .until_ms = INT64_MIN};
        snprintf(named->place.node, sizeof(named->place.node), "%.*s", STR_ARGS(name));
        map_insert(&groups->by_node, &named->node, place_key(named));
        *groups->end_node = named;
        groups->end_node = &named->next;
        groups->node_count++;
    }
    groups->last = named;
    return named;
}

static struct group *group_find(struct loki_part *part, enum record_stream stream, enum record_level level,
                                struct str node)
{
    struct loki_groups *groups = part->groups;
    const struct loki_run run = {str_of(part->account), str_of(part->run_id)};
    buf_reset(&groups->labels);
    loki_stream_append(&groups->labels, part->options.labels, &run, node, str_of(record_stream_name(stream)),
                       str_of(record_level_word(level)));
    struct map_node *found = map_find(&groups->by_labels, buf_str(&groups->labels));
    if (found)
        return CONTAINER_OF(found, struct group, node);
    struct group *group = xcalloc(1, sizeof(*group));
    buf_append_str(&group->labels, buf_str(&groups->labels));
    map_insert(&groups->by_labels, &group->node, buf_str(&group->labels));
    *groups->end = group;
    groups->end = &group->next;
    groups->bytes += group->labels.len;
    return group;
}

// Lines that follow each other are mostly of one stream.
static struct group *group_get(struct loki_part *part, const struct record *record, struct str node, bool same_node)
{
    struct loki_groups *groups = part->groups;
    enum record_level level = record_level_of(record);
    if (groups->last_group && same_node && groups->last_stream == record->stream && groups->last_level == level)
        return groups->last_group;
    groups->last_stream = record->stream;
    groups->last_level = level;
    groups->last_group = group_find(part, record->stream, level, node);
    return groups->last_group;
}

// --- Entries

static struct str node_of(const struct record *record, struct buf *scratch)
{
    struct str node = {0};
    if (record->extra.len == 0 || record_extra_string(record->extra, STR("node_id"), scratch, &node) ||
        record_extra_string(record->extra, STR("node_name"), scratch, &node))
        return node.len <= STORE_MIRROR_NODE_MAX && !str_find(node, '\0') ? node : (struct str){0};
    return (struct str){0};
}

// Events as the members of their JSON; output as it is.
static void line_of(const struct record *record, struct buf *out)
{
    buf_reset(out);
    if (record->stream != STREAM_EVENT || record->extra.len == 0) {
        buf_append_utf8(out, record->message);
        return;
    }
    buf_append_text(out, "{\"message\":");
    buf_append_json_string(out, record->message);
    buf_append_byte(out, ',');
    buf_append_str(out, record->extra);
    buf_append_byte(out, '}');
}

static void add_metadata(struct loki_groups *groups, struct str name, struct str value)
{
    if (value.len == 0)
        return;
    buf_reset(&groups->metadata);
    protobuf_append_bytes(&groups->metadata, 1, name);
    protobuf_append_bytes(&groups->metadata, 2, value);
    protobuf_append_bytes(&groups->entry, 3, buf_str(&groups->metadata));
}

static void add_time(struct loki_groups *groups, uint64_t time_ns)
{
    buf_reset(&groups->metadata);
    protobuf_append_varint(&groups->metadata, 1, time_ns / 1000000000);
    protobuf_append_varint(&groups->metadata, 2, time_ns % 1000000000);
    protobuf_append_bytes(&groups->entry, 1, buf_str(&groups->metadata));
}

static void encode(struct loki_part *part, uint64_t sequence, const struct record *record, struct str node,
                   bool same_node)
{
    struct loki_groups *groups = part->groups;
    char number[24];
    line_of(record, &groups->message);
    size_t len = utf8_prefix(groups->message.data, groups->message.len, part->options.line_max);
    part->cut += len < groups->message.len;
    buf_reset(&groups->entry);
    add_time(groups, loki_time_ns(record->time_ms, sequence, part->phase));
    protobuf_append_bytes(&groups->entry, 2, str_n(groups->message.data, len));
    if (part->options.labels == LOKI_FEW) {
        snprintf(number, sizeof(number), "%llu", (unsigned long long)sequence);
        add_metadata(groups, STR("node"), node);
        add_metadata(groups, STR("run_id"), str_of(part->run_id));
        add_metadata(groups, STR("sequence"), str_of(number));
    }
    struct group *group = group_get(part, record, node, same_node);
    size_t before = group->entries.len;
    protobuf_append_bytes(&group->entries, 2, buf_str(&groups->entry));
    groups->bytes += group->entries.len - before;
}

// --- The part

struct loki_part *loki_part_new(const struct mirror_found *found, const struct loki_part_options *options)
{
    struct loki_part *part = xcalloc(1, sizeof(*part));
    list_init(&part->node);
    part->options = *options;
    part->row = found->row;
    part->copied = part->to = found->copied;
    part->next = found->next;
    part->sealed = found->sealed;
    part->time_ms = found->time_ms;
    snprintf(part->run_id, sizeof(part->run_id), "%s", found->execution_id);
    snprintf(part->account, sizeof(part->account), "%s", found->account_name);
    part->phase = loki_phase(options->labels, str_of(part->run_id));
    struct loki_groups *groups = part->groups = xcalloc(1, sizeof(*groups));
    map_init(&groups->by_labels);
    map_init(&groups->by_node);
    groups->end = &groups->first;
    groups->end_node = &groups->first_node;
    return part;
}

static void groups_free(struct loki_groups **groups_ptr)
{
    struct loki_groups *groups = TAKE_PTR(*groups_ptr);
    if (!groups)
        return;
    map_release(&groups->by_labels);
    map_release(&groups->by_node);
    while (groups->first) {
        struct group *group = groups->first;
        groups->first = group->next;
        buf_release(&group->labels);
        buf_release(&group->entries);
        free(group);
    }
    while (groups->first_node) {
        struct named *named = groups->first_node;
        groups->first_node = named->next;
        free(named);
    }
    struct buf *const bufs[] = {&groups->labels, &groups->scratch, &groups->message, &groups->entry, &groups->metadata};
    for (size_t i = 0; i < ARRAY_LEN(bufs); i++)
        buf_release(bufs[i]);
    free(groups);
}

void loki_part_free(struct loki_part **part_ptr)
{
    struct loki_part *part = TAKE_PTR(*part_ptr);
    if (!part)
        return;
    list_remove(&part->node);
    groups_free(&part->groups);
    buf_release(&part->streams);
    free(part->places);
    free(part);
}

bool loki_part_add(struct loki_part *part, uint64_t sequence, const struct record *record)
{
    const struct loki_part_options *options = &part->options;
    struct loki_groups *groups = part->groups;
    part->fenced = record->time_ms > options->fence_ms;
    part->full = groups->bytes >= options->bytes_max;
    if (part->fenced || part->full) {
        part->time_ms = record->time_ms;
        return false;
    }
    struct str node = node_of(record, &groups->scratch);
    const struct named *before = groups->last;
    struct mirror_place *place = &node_get(part, node)->place;
    encode(part, sequence, record, node, groups->last == before);
    place->lines++;
    place->from_ms = MIN(place->from_ms, record->time_ms);
    place->until_ms = MAX(place->until_ms, record->time_ms);
    part->missing += sequence - part->to;
    part->to = sequence + 1;
    part->time_ms = record->time_ms;
    part->lines++;
    return true;
}

void loki_part_finish(struct loki_part *part)
{
    struct loki_groups *groups = part->groups;
    size_t at = 0;
    buf_reserve(&part->streams, groups->bytes + 16);
    for (struct group *group = groups->first; group; group = group->next) {
        struct buf *stream = &groups->entry;
        buf_reset(stream);
        protobuf_append_bytes(stream, 1, buf_str(&group->labels));
        // The entries are fields of the stream already, so only its length stands before both.
        buf_append_varint(&part->streams, 1u << 3 | PROTOBUF_BYTES);
        buf_append_varint(&part->streams, stream->len + group->entries.len);
        buf_append_str(&part->streams, buf_str(stream));
        buf_append_str(&part->streams, buf_str(&group->entries));
        buf_release(&group->entries);
    }
    part->places = xcalloc(groups->node_count + 1, sizeof(*part->places));
    for (struct named *named = groups->first_node; named; named = named->next)
        part->places[at++] = named->place;
    part->place_count = at;
    groups_free(&part->groups);
}

void loki_push_body(const struct list_node *parts, struct buf *out)
{
    CLEANUP(buf_release) struct buf plain = {0};
    for (const struct list_node *at = parts->next; at != parts; at = at->next)
        buf_append_str(&plain, buf_str(&CONTAINER_OF(at, struct loki_part, node)->streams));
    size_t len = snappy_max_compressed_length(plain.len);
    buf_reset(out);
    buf_reserve(out, len);
    snappy_compress(plain.data ? plain.data : "", plain.len, out->data, &len); // fails only for want of room
    out->len = len;
}
