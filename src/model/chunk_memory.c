// The memory of chunks: one allocation each, and the count of those who hold it.
#include "model/chunk_private.h"

struct chunk *chunk_allocate(const struct chunk_header *header, size_t encoded_len)
{
    struct chunk *chunk;
    // The widest elements come first, so that each array is aligned.
    bool packed = header->zstd;
    size_t offsets = ((size_t)header->count + 1) * sizeof(*chunk->text_offsets);
    size_t text_at = sizeof(*chunk) + header->count * sizeof(*chunk->times);
    size_t extras_at = text_at + offsets;
    size_t kinds_at = extras_at + (header->counters[COUNTER_EXTRA] > 0 ? offsets : 0);
    size_t encoded_at = kinds_at + header->count;
    size_t encoded_end = encoded_at + encoded_len;
    size_t payload_at = packed ? encoded_end : encoded_end - header->payload_len;
    size_t size = payload_at + header->payload_len;

    uint8_t *base = xmalloc(size);
    chunk = (struct chunk *)(void *)base;
    *chunk = (struct chunk){
        .header = *header,
        .memory = (uint32_t)(size + chunk_fields_memory(header)),
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
    bool front = encoded_len == (size_t)header->head_len + header->plain_len;
    if (front && header->sizes[SECTION_PICKS] > 0)
        chunk->memory += sizeof(struct chunk_picks) + CHUNK_FRONT_BYTES; // if somebody asks for them
    atomic_init(&chunk->refs, 1);
    return chunk;
}

struct chunk *chunk_assemble(struct chunk_header *header, const struct str *derived, struct str stored)
{
    uint8_t head[CHUNK_HEADER_MAX];
    for (unsigned i = SECTION_DERIVED_FIRST; i < SECTION_COUNT; i++)
        header->sizes[i] = derived ? (uint32_t)derived[i].len : 0;
    header->sizes[SECTION_FRONT_SUM] = derived ? CHUNK_FRONT_SUM_LEN : 0;
    chunk_header_arrange(header);
    header->unknown = header->unknown_packed = false;
    header->head_len = (uint16_t)chunk_header_put(header, head);
    struct chunk *chunk = chunk_allocate(header, header->head_len + header->plain_len + stored.len);
    uint8_t *out = mempcpy(chunk->encoded, head, header->head_len);
    for (unsigned i = SECTION_DERIVED_FIRST; i < SECTION_COUNT; i++) {
        if (i != SECTION_FRONT_SUM && header->sizes[i] > 0)
            memcpy(out, derived[i].data, derived[i].len);
        out += header->sizes[i];
    }
    memcpy(out, stored.data, stored.len);
    if (header->sizes[SECTION_FRONT_SUM] > 0)
        chunk_seal_front(chunk->encoded, header);
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

void chunk_picks_free(struct chunk_picks *picks)
{
    if (!picks)
        return;
    chunk_unref(&picks->records);
    free(picks);
}

void chunk_unref(struct chunk **owner)
{
    struct chunk *chunk = TAKE_PTR(*owner);
    if (chunk && atomic_fetch_sub_explicit(&chunk->refs, 1, memory_order_acq_rel) == 1) {
        if (chunk->front)
            chunk_picks_free(atomic_load_explicit(&chunk->picks, memory_order_relaxed));
        else
            chunk_fields_free(chunk);
        free(chunk);
    }
}
