// What chunks show of themselves.
#include "model/chunk_private.h"
#include "model/compress.h"

bool chunk_is_open(const struct chunk *chunk)
{
    return chunk->payload != NULL;
}

bool chunk_is_front(const struct chunk *chunk)
{
    return chunk->front;
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
        .continues = kind & KIND_CONTINUES,
        .message = str_n(chunk->text + start, chunk->text_offsets[i + 1] - start - 1),
    };
    if (kind & KIND_EXTRA) {
        const char *extras = chunk->text - chunk->extra_offsets[chunk->header.count];
        start = chunk->extra_offsets[i];
        ret->extra = str_n(extras + start, chunk->extra_offsets[i + 1] - start);
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

uint32_t chunk_continues_count(const struct chunk *chunk)
{
    return chunk->header.counters[COUNTER_CONTINUES];
}

bool chunk_begins_within(const struct chunk *chunk)
{
    return chunk->header.counters[COUNTER_CONTINUES_FIRST] > 0;
}

bool chunk_continues(const struct chunk *chunk, uint32_t i)
{
    return chunk->kinds[i] & KIND_CONTINUES;
}

struct str chunk_text(const struct chunk *chunk)
{
    if (chunk_stream_count(chunk, STREAM_EVENT) > 0 || chunk_partial_count(chunk) > 0)
        return str_n(NULL, 0);
    return str_n(chunk->text, chunk->text_offsets[chunk->header.count]);
}

bool chunk_is_lines(const struct chunk *chunk)
{
    return chunk->header.sizes[SECTION_LENGTHS] == 0;
}

int chunk_column(const struct chunk *chunk, struct buf *scratch, struct str *ret)
{
    const struct chunk_header *header = &chunk->header;
    size_t front = (size_t)header->head_len + header->plain_len, len = header->sizes[SECTION_TEXT];
    const uint8_t *payload = chunk->payload ? chunk->payload : chunk->encoded + front;
    if (chunk->front)
        return ERR_CORRUPT;
    if (!chunk->payload && header->zstd) {
        buf_reset(scratch);
        buf_reserve(scratch, header->payload_len);
        if (!decompress_exact(payload, chunk->encoded_len - front, scratch->data, header->payload_len))
            return ERR_CORRUPT;
        payload = (const uint8_t *)scratch->data;
    }
    *ret = str_n((const char *)payload + chunk_section_offset(header, SECTION_TEXT), len);
    return len > 0 && ret->data[len - 1] == '\n' ? 0 : ERR_CORRUPT;
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
