// Makes chunks: the builder gathers the columns, and finish encodes them. Slices and merged chunks are made in the same
// way.
#include "model/chunk_private.h"
#include "model/compress.h"

// A smaller payload gains little, and starting zstd costs more than all the rest of the chunk.
#define COMPRESS_MIN      512
#define BUILDER_COUNT_MIN 16

struct chunk_builder {
    struct buf text, extras;
    int64_t *times;
    uint32_t *text_ends, *extra_ends;
    uint8_t *kinds;
    uint32_t count, capacity;
    uint32_t run;     // how many records in a row have the last kind
    bool has_newline; // a message contains a newline
    uint32_t counters[COUNTER_COUNT];
    int64_t time_min, time_max;
    // Size of the payload without the lengths column; the first time counts as CHUNK_FIRST_TIME_MAX.
    size_t raw;
    size_t raw_lengths;         // size of the lengths column, if it is needed
    struct buf payload, packed; // used within finish only
};

struct chunk_builder *chunk_builder_new(void)
{
    struct chunk_builder *builder = xcalloc(1, sizeof(*builder));
    return builder;
}

void chunk_builder_free(struct chunk_builder **owner)
{
    struct chunk_builder *builder = TAKE_PTR(*owner);
    if (!builder)
        return;
    buf_release(&builder->text);
    buf_release(&builder->extras);
    buf_release(&builder->payload);
    buf_release(&builder->packed);
    free(builder->times);
    free(builder->text_ends);
    free(builder->extra_ends);
    free(builder->kinds);
    free(builder);
}

uint32_t chunk_builder_count(const struct chunk_builder *builder)
{
    return builder->count;
}

size_t chunk_builder_raw(const struct chunk_builder *builder)
{
    return builder->raw + (builder->has_newline ? builder->raw_lengths : 0);
}

static void builder_reserve(struct chunk_builder *builder, uint32_t extra)
{
    if (LIKELY(builder->capacity - builder->count >= extra))
        return;
    uint32_t capacity = MAX(MAX(builder->capacity * 2, builder->count + extra), (uint32_t)BUILDER_COUNT_MIN);
    builder->times = xrealloc(builder->times, capacity * sizeof(*builder->times));
    builder->text_ends = xrealloc(builder->text_ends, capacity * sizeof(*builder->text_ends));
    builder->extra_ends = xrealloc(builder->extra_ends, capacity * sizeof(*builder->extra_ends));
    builder->kinds = xrealloc(builder->kinds, capacity * sizeof(*builder->kinds));
    builder->capacity = capacity;
}

static inline size_t varint_len(uint64_t value)
{
    return (size_t)(63 - __builtin_clzll(value | 1)) / 7 + 1;
}

// Returns what one record adds to the payload, without its length.
static size_t record_cost(const struct chunk_builder *builder, int64_t time_ms, uint8_t kind, size_t message_len,
                          size_t extra_len)
{
    size_t cost = message_len + 1;
    if (extra_len > 0)
        cost += varint_len(extra_len) + extra_len;
    if (builder->count == 0)
        return cost + CHUNK_FIRST_TIME_MAX + 2;
    if (builder->kinds[builder->count - 1] == kind)
        cost += varint_len(builder->run + 1) - varint_len(builder->run);
    else
        cost += 2;
    return cost + varint_len(zigzag((uint64_t)time_ms - (uint64_t)builder->times[builder->count - 1]));
}

static int builder_append(struct chunk_builder *builder, const struct record *record, size_t raw_max)
{
    uint8_t kind = kind_of(record);
    if (builder->count >= CHUNK_COUNT_MAX || record->message.len > CHUNK_RAW_MAX || record->extra.len > CHUNK_RAW_MAX)
        return ERR_TOO_LARGE;
    size_t raw = builder->raw + record_cost(builder, record->time_ms, kind, record->message.len, record->extra.len);
    size_t raw_lengths = builder->raw_lengths + varint_len(record->message.len);
    bool has_newline = builder->has_newline || (str_find(record->message, '\n') != NULL);
    if (raw + (has_newline ? raw_lengths : 0) > raw_max)
        return ERR_TOO_LARGE;

    builder->raw = raw;
    builder->raw_lengths = raw_lengths;
    builder->has_newline = has_newline;
    builder_reserve(builder, 1);
    buf_reserve(&builder->text, record->message.len + 1);
    buf_append_str(&builder->text, record->message);
    buf_append_byte(&builder->text, '\n');
    buf_append_str(&builder->extras, record->extra);

    uint32_t i = builder->count++;
    builder->run = i > 0 && builder->kinds[i - 1] == kind ? builder->run + 1 : 1;
    builder->times[i] = record->time_ms;
    builder->kinds[i] = kind;
    builder->text_ends[i] = (uint32_t)builder->text.len;
    builder->extra_ends[i] = (uint32_t)builder->extras.len;
    builder->time_min = i == 0 ? record->time_ms : MIN(builder->time_min, record->time_ms);
    builder->time_max = i == 0 ? record->time_ms : MAX(builder->time_max, record->time_ms);
    counters_add(builder->counters, kind, i, 1);
    return 0;
}

int chunk_builder_add(struct chunk_builder *builder, const struct record *record)
{
    return builder_append(builder, record, CHUNK_RAW_MAX - CHUNK_SLACK);
}

int chunk_builder_add_range(struct chunk_builder *builder, const struct chunk *chunk, uint32_t from, uint32_t count)
{
    if (builder->count + count > CHUNK_COUNT_MAX)
        return ERR_TOO_LARGE;
    builder_reserve(builder, count);
    buf_reserve(&builder->text, chunk->text_offsets[from + count] - chunk->text_offsets[from]);
    for (uint32_t i = from; i < from + count; i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        int err = builder_append(builder, &record, CHUNK_RAW_MAX);
        if (err < 0)
            return err;
    }
    return 0;
}

static uint8_t *put_times(const struct chunk_builder *builder, uint8_t *out)
{
    uint64_t last = (uint64_t)builder->time_min;
    for (uint32_t i = 0; i < builder->count; i++) {
        uint64_t time_ms = (uint64_t)builder->times[i];
        out = put_varint(out, zigzag(time_ms - last));
        last = time_ms;
    }
    return out;
}

static uint8_t *put_kinds(const struct chunk_builder *builder, uint8_t *out)
{
    const uint8_t *kinds = builder->kinds;
    for (uint32_t i = 0, next; i < builder->count; i = next) {
        for (next = i + 1; next < builder->count && kinds[next] == kinds[i];)
            next++;
        *out++ = kinds[i];
        out = put_varint(out, next - i);
    }
    return out;
}

static uint8_t *put_lengths(const struct chunk_builder *builder, uint8_t *out)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < builder->count; i++) {
        out = put_varint(out, builder->text_ends[i] - last - 1);
        last = builder->text_ends[i];
    }
    return out;
}

static uint8_t *put_extras(const struct chunk_builder *builder, uint8_t *out)
{
    uint32_t last = 0;
    for (uint32_t i = 0; i < builder->count; i++) {
        if (builder->extra_ends[i] != last)
            out = put_varint(out, builder->extra_ends[i] - last);
        last = builder->extra_ends[i];
    }
    return mempcpy(out, builder->extras.data, builder->extras.len);
}

static uint8_t *put_text(const struct chunk_builder *builder, uint8_t *out)
{
    return mempcpy(out, builder->text.data, builder->text.len);
}

// Writes the columns one after the other, and their sizes.
static void builder_encode_payload(struct chunk_builder *builder, struct chunk_header *header)
{
    static uint8_t *(*const columns[])(const struct chunk_builder *builder, uint8_t *out) = {
        [SECTION_TIMES] = put_times,   [SECTION_KINDS] = put_kinds, [SECTION_LENGTHS] = put_lengths,
        [SECTION_EXTRAS] = put_extras, [SECTION_TEXT] = put_text,
    };
    buf_reset(&builder->payload);
    buf_reserve(&builder->payload, chunk_builder_raw(builder));
    uint8_t *start = (uint8_t *)builder->payload.data, *out = start;
    for (unsigned i = SECTION_TIMES; i < ARRAY_LEN(columns); i++) {
        bool absent =
            (i == SECTION_LENGTHS && !builder->has_newline) || (i == SECTION_EXTRAS && builder->extras.len == 0);
        uint8_t *end = absent ? out : columns[i](builder, out);
        header->sizes[i] = (uint32_t)(end - out);
        out = end;
    }
    builder->payload.len = (size_t)(out - start);
}

static void builder_fill_index(const struct chunk_builder *builder, struct chunk *chunk)
{
    const uint8_t *end = chunk->payload + chunk->header.payload_len;
    chunk->text = (const char *)end - builder->text.len;
    memcpy(chunk->times, builder->times, builder->count * sizeof(*builder->times));
    memcpy(chunk->kinds, builder->kinds, builder->count);
    chunk->text_offsets[0] = 0;
    memcpy(chunk->text_offsets + 1, builder->text_ends, builder->count * sizeof(*builder->text_ends));
    if (!chunk->extra_offsets)
        return;
    chunk->extra_offsets[0] = 0;
    memcpy(chunk->extra_offsets + 1, builder->extra_ends, builder->count * sizeof(*builder->extra_ends));
}

static void builder_reset(struct chunk_builder *builder)
{
    buf_reset(&builder->text);
    buf_reset(&builder->extras);
    memset(builder->counters, 0, sizeof(builder->counters));
    builder->count = 0;
    builder->has_newline = false;
    builder->raw = builder->raw_lengths = 0;
}

struct chunk *chunk_builder_finish(struct chunk_builder *builder, int zstd_level)
{
    if (builder->count == 0)
        abort();
    struct chunk_header header = {
        .count = builder->count,
        .time_min = builder->time_min,
        .time_max = builder->time_max,
    };
    builder_encode_payload(builder, &header);
    memcpy(header.counters, builder->counters, sizeof(header.counters));
    const struct buf *stored = &builder->payload;
    buf_reset(&builder->packed);
    if (zstd_level != 0 && builder->payload.len >= COMPRESS_MIN &&
        compress_append(&builder->packed, builder->payload.data, builder->payload.len, zstd_level)) {
        stored = &builder->packed;
        header.zstd = true;
    }
    struct chunk *chunk = chunk_assemble(&header, NULL, buf_str(stored));
    if (header.zstd)
        memcpy(chunk->payload, builder->payload.data, builder->payload.len);
    builder_fill_index(builder, chunk);
    builder_reset(builder);
    return chunk;
}

struct chunk *chunk_slice(const struct chunk *chunk, uint32_t from, uint32_t count, int zstd_level)
{
    if (from == 0 && count == chunk->header.count)
        return chunk_ref(chunk);
    if (count == 0 || from >= chunk->header.count || count > chunk->header.count - from)
        return NULL;
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    if (chunk_builder_add_range(builder, chunk, from, count) < 0)
        return NULL; // cannot happen: see CHUNK_SLACK
    return chunk_builder_finish(builder, zstd_level);
}

int chunk_merge(struct chunk *const *chunks, size_t count, int zstd_level, struct chunk **ret)
{
    if (count == 0)
        return ERR_INTERNAL;
    if (count == 1) {
        *ret = chunk_ref(chunks[0]);
        return 0;
    }
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    for (size_t i = 0; i < count; i++) {
        int err = chunk_builder_add_range(builder, chunks[i], 0, chunks[i]->header.count);
        if (err < 0)
            return err;
    }
    // A merged chunk may be sliced later, so it must leave the same room as any new one.
    if (chunk_builder_raw(builder) > CHUNK_RAW_MAX - CHUNK_SLACK)
        return ERR_TOO_LARGE;
    *ret = chunk_builder_finish(builder, zstd_level);
    return 0;
}
