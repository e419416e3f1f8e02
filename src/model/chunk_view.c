// Finished chunks: their memory, what they show, and what is derived from them.
#include "model/chunk_private.h"

struct chunk *chunk_allocate(const struct chunk_header *header, size_t encoded_len)
{
    // The widest elements come first, so that each array is aligned.
    bool packed = header->zstd;
    size_t offsets = ((size_t)header->count + 1) * sizeof(uint32_t);
    size_t times_at = (sizeof(struct chunk) + 7) & ~(size_t)7;
    size_t text_at = times_at + header->count * sizeof(int64_t);
    size_t extras_at = text_at + offsets;
    size_t kinds_at = extras_at + (header->counters[COUNTER_EXTRA] > 0 ? offsets : 0);
    size_t encoded_at = kinds_at + header->count;
    size_t encoded_end = encoded_at + encoded_len;
    size_t payload_at = packed ? encoded_end : encoded_end - header->payload_len;
    size_t size = payload_at + header->payload_len;

    uint8_t *base = xmalloc(size);
    struct chunk *chunk = (struct chunk *)(void *)base;
    *chunk = (struct chunk){
        .header = *header,
        .memory = (uint32_t)(size + chunk_fields_memory(header)),
        .times = (int64_t *)(void *)(base + times_at),
        .text_offsets = (uint32_t *)(void *)(base + text_at),
        .extra_offsets = extras_at == kinds_at ? NULL : (uint32_t *)(void *)(base + extras_at),
        .kinds = base + kinds_at,
        .encoded = base + encoded_at,
        .encoded_len = (uint32_t)encoded_len,
        .payload = base + payload_at,
    };
    atomic_init(&chunk->refs, 1);
    return chunk;
}

struct chunk *chunk_allocate_closed(const struct chunk_header *header, size_t encoded_len)
{
    struct chunk *chunk = xmalloc(sizeof(*chunk) + encoded_len);
    *chunk = (struct chunk){
        .header = *header,
        .memory = (uint32_t)(sizeof(*chunk) + encoded_len),
        .encoded = (uint8_t *)(chunk + 1),
        .encoded_len = (uint32_t)encoded_len,
    };
    atomic_init(&chunk->refs, 1);
    return chunk;
}

struct chunk *chunk_assemble(struct chunk_header *header, const struct str *derived, struct str stored)
{
    uint8_t head[CHUNK_HEADER_MAX];
    for (unsigned i = SECTION_DERIVED_FIRST; i < SECTION_COUNT; i++)
        header->sizes[i] = derived ? (uint32_t)derived[i].len : 0;
    chunk_header_arrange(header);
    header->unknown = header->unknown_packed = false;
    header->head_len = (uint16_t)chunk_header_put(header, head);
    struct chunk *chunk = chunk_allocate(header, header->head_len + header->plain_len + stored.len);
    uint8_t *out = mempcpy(chunk->encoded, head, header->head_len);
    for (unsigned i = SECTION_DERIVED_FIRST; i < SECTION_COUNT; i++) {
        if (header->sizes[i] > 0)
            out = mempcpy(out, derived[i].data, derived[i].len);
    }
    memcpy(out, stored.data, stored.len);
    chunk_seal(chunk->encoded, chunk->encoded_len);
    return chunk;
}

struct chunk *chunk_ref(const struct chunk *chunk)
{
    // Only the count may change in a chunk, which is what `const` means for its users.
    struct chunk *counted = (struct chunk *)(uintptr_t)chunk;
    atomic_fetch_add_explicit(&counted->refs, 1, memory_order_relaxed);
    return counted;
}

void chunk_unref(struct chunk **owner)
{
    struct chunk *chunk = TAKE_PTR(*owner);
    if (chunk && atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) == 1) {
        chunk_fields_free(chunk);
        free(chunk);
    }
}

bool chunk_is_open(const struct chunk *chunk)
{
    return chunk->payload != NULL;
}

struct str chunk_tokens(const struct chunk *chunk)
{
    return chunk_derived(chunk, SECTION_TOKENS);
}

uint32_t chunk_count(const struct chunk *chunk)
{
    return chunk->header.count;
}

void chunk_record(const struct chunk *chunk, uint32_t i, struct record *ret)
{
    uint8_t kind = chunk->kinds[i];
    uint32_t start = chunk->text_offsets[i];
    *ret = (struct record){
        .time_ms = chunk->times[i],
        .stream = (enum record_stream)kind_stream(kind),
        .level = (enum record_level)kind_level(kind),
        .partial = kind & KIND_PARTIAL,
        .message = str_n(chunk->text + start, chunk->text_offsets[i + 1] - start - 1),
    };
    if (kind & KIND_EXTRA) {
        start = chunk->extra_offsets[i];
        ret->extra = str_n(chunk->extras + start, chunk->extra_offsets[i + 1] - start);
    }
}

struct str chunk_encoded(const struct chunk *chunk)
{
    return str_n((const char *)chunk->encoded, chunk->encoded_len);
}

size_t chunk_memory(const struct chunk *chunk)
{
    return chunk->memory;
}

size_t chunk_raw(const struct chunk *chunk)
{
    return chunk->header.payload_len;
}

size_t chunk_message_bytes(const struct chunk *chunk)
{
    return chunk->header.sizes[SECTION_TEXT] - chunk->header.count;
}

int64_t chunk_time_min(const struct chunk *chunk)
{
    return chunk->header.time_min;
}

int64_t chunk_time_max(const struct chunk *chunk)
{
    return chunk->header.time_max;
}

uint32_t chunk_stream_count(const struct chunk *chunk, enum record_stream stream)
{
    return chunk->header.counters[COUNTER_STREAM + (unsigned)stream];
}

uint32_t chunk_level_count(const struct chunk *chunk, enum record_level level)
{
    return chunk->header.counters[COUNTER_LEVEL + (unsigned)level];
}

uint32_t chunk_extra_count(const struct chunk *chunk)
{
    return chunk->header.counters[COUNTER_EXTRA];
}

uint32_t chunk_partial_count(const struct chunk *chunk)
{
    return chunk->header.counters[COUNTER_PARTIAL];
}

struct str chunk_text(const struct chunk *chunk)
{
    if (chunk_stream_count(chunk, STREAM_EVENT) > 0 || chunk_partial_count(chunk) > 0)
        return str_n(NULL, 0);
    return str_n(chunk->text, chunk->text_offsets[chunk->header.count]);
}

size_t chunk_text_offset(const struct chunk *chunk, uint32_t i)
{
    return chunk->text_offsets[i];
}

uint64_t chunk_digest(const struct chunk *chunk, uint64_t digest)
{
    for (uint32_t i = 0; i < chunk->header.count; i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        digest = record_digest_next(digest, &record);
    }
    return digest;
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
