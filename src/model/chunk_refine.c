// Makes the sections that are derived from a chunk's records, and packs its payload anew.
#include "model/chunk_private.h"
#include "model/compress.h"
#include "model/token_filter.h"

#define TOKENS_FROM  (32u * 1024) // bytes of payload; fewer can be searched as fast
#define TOKENS_SHARE 20           // the filter may take at most a twentieth of the stored payload
#define TOKENS_MAX   (CHUNK_DERIVED_MAX / 2)

static struct str stored_payload(const struct chunk *chunk)
{
    size_t front = (size_t)chunk->header.head_len + chunk->header.plain_len;
    return str_n((const char *)chunk->encoded + front, chunk->encoded_len - front);
}

static void make_tokens(const struct chunk *chunk, struct buf *out)
{
    if (chunk->header.payload_len < TOKENS_FROM)
        return;
    size_t max = MIN(stored_payload(chunk).len / TOKENS_SHARE, TOKENS_MAX);
    CLEANUP(token_builder_free) struct token_builder *builder = token_builder_new(max);
    for (uint32_t i = 0; i < chunk->header.count; i++) {
        uint32_t start = chunk->text_offsets[i];
        token_builder_add(builder, str_n(chunk->text + start, chunk->text_offsets[i + 1] - start - 1));
    }
    token_builder_finish(builder, out);
}

// The same records, index and payload, with other encoded bytes.
static struct chunk *encoded_anew(const struct chunk *chunk, const struct str *derived, bool zstd, struct str stored)
{
    struct chunk_header header = chunk->header;
    header.zstd = zstd;
    struct chunk *made = chunk_assemble(&header, derived, stored);
    const uint8_t *index = (const uint8_t *)chunk->times;
    memcpy(made->times, index, (size_t)(chunk->encoded - index));
    if (zstd)
        memcpy(made->payload, chunk->payload, header.payload_len);
    made->text = (const char *)made->payload + (chunk->text - (const char *)chunk->payload);
    return made;
}

struct chunk *chunk_repack(const struct chunk *chunk, int zstd_level)
{
    CLEANUP(buf_release) struct buf packed = {0};
    if (chunk->header.unknown || !compress_append(&packed, chunk->payload, chunk->header.payload_len, zstd_level) ||
        packed.len >= stored_payload(chunk).len)
        return chunk_ref(chunk);
    return encoded_anew(chunk, NULL, true, buf_str(&packed));
}

struct chunk *chunk_refine(const struct chunk *chunk)
{
    CLEANUP(buf_release) struct buf names = {0}, fields = {0}, tokens = {0}, picks = {0};
    struct str derived[SECTION_COUNT] = {0};
    if (chunk->header.unknown)
        return chunk_ref(chunk); // a newer program made it
    make_tokens(chunk, &tokens);
    chunk_fields_encode(chunk, &names, &fields);
    derived[SECTION_TOKENS] = buf_str(&tokens);
    if (names.len + fields.len <= CHUNK_DERIVED_MAX / 2) {
        derived[SECTION_NAMES] = buf_str(&names);
        derived[SECTION_FIELDS] = buf_str(&fields);
    }
    size_t front = CHUNK_HEADER_MAX + CHUNK_FRONT_SUM_LEN + derived[SECTION_NAMES].len + derived[SECTION_FIELDS].len +
                   derived[SECTION_TOKENS].len;
    chunk_picks_encode(chunk, CHUNK_FRONT_BYTES - MIN(front, (size_t)CHUNK_FRONT_BYTES), &picks);
    derived[SECTION_PICKS] = buf_str(&picks);
    bool any = tokens.len > 0 || derived[SECTION_NAMES].len > 0 || picks.len > 0;
    return any ? encoded_anew(chunk, derived, chunk->header.zstd, stored_payload(chunk)) : chunk_ref(chunk);
}
