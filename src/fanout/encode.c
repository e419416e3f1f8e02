#include "fanout/encode.h"

// For formats of output only: the chunk's text column is the answer as it stands.
static bool encode_as_text(const struct chunk *chunk, const struct format *format)
{
    struct str text = chunk_text(chunk);
    if (!text.len || !(format->can & FORMAT_OUTPUT_ONLY))
        return false;
    return !(format->can & FORMAT_UTF8) || utf8_valid(text.data, text.len);
}

static void let_chunk_go(void *owner)
{
    struct chunk *chunk = owner;
    chunk_unref(&chunk);
}

struct encoded *encoded_new(const struct chunk *chunk, uint64_t first, struct str execution_id,
                            enum follow_format format)
{
    const struct format *row = format_of(format);
    uint32_t count = chunk_count(chunk);
    struct encoded *encoded = xmalloc(sizeof(*encoded) + ((size_t)count + 1) * sizeof(encoded->offsets[0]));

    encoded->count = count;
    encoded->shares_chunk = false;
    if (encode_as_text(chunk, row)) {
        encoded->payload = payload_of(chunk_text(chunk), let_chunk_go, chunk_ref(chunk));
        encoded->shares_chunk = true;
        for (uint32_t i = 0; i <= count; i++)
            encoded->offsets[i] = (uint32_t)chunk_text_offset(chunk, i);
        return encoded;
    }

    struct format_encoder encoder = {.execution_id = execution_id};
    record_encoder_init(&encoder.json, execution_id, row->can & FORMAT_TYPED);
    buf_reserve(&encoder.out, chunk_message_bytes(chunk) + (size_t)count * 256);
    for (uint32_t i = 0; i < count; i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        encoded->offsets[i] = (uint32_t)encoder.out.len;
        row->encode(&encoder, &record, first + i);
    }
    encoded->offsets[count] = (uint32_t)encoder.out.len;
    encoded->payload = payload_take(&encoder.out);
    buf_release(&encoder.scratch);
    return encoded;
}

void encoded_free(struct encoded **encoded)
{
    if (!*encoded)
        return;
    payload_unref(&(*encoded)->payload);
    free(*encoded);
    *encoded = NULL;
}

size_t encoded_memory(const struct encoded *encoded)
{
    size_t bytes = encoded->shares_chunk ? 0 : encoded->payload->len;
    return sizeof(*encoded) + (size_t)encoded->count * sizeof(encoded->offsets[0]) + bytes;
}

struct payload *encode_chunk_frame(const struct chunk *chunk, uint64_t first)
{
    CLEANUP(buf_release) struct buf frame = {0};
    struct str bytes = chunk_encoded(chunk);

    buf_append_le64(&frame, first);
    buf_append_le32(&frame, (uint32_t)bytes.len);
    buf_append_str(&frame, bytes);
    return payload_take(&frame);
}
