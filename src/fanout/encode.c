#include "fanout/encode.h"

#include "sse/sse.h"
#include "ws/ws_parser.h"

#define FRAME_HEADER_USUAL 4 // of frames of 126 to 65,535 bytes, which most are

struct encoder {
    struct buf out, scratch;
    struct str execution_id;
    struct record_encoder json;
};

// How long the header is shows only when the text is there; it is moved if the guess was wrong.
static void encode_frame(struct encoder *encoder, const struct record *record, uint64_t sequence)
{
    struct buf *out = &encoder->out;
    uint8_t header[10] = {0};
    size_t at = out->len;

    buf_append(out, header, FRAME_HEADER_USUAL);
    record_encoder_append(&encoder->json, out, record, sequence);
    size_t len = out->len - at - FRAME_HEADER_USUAL, header_len = ws_frame_header(WS_TEXT, len, header);
    if (header_len != FRAME_HEADER_USUAL) {
        buf_reserve(out, sizeof(header));
        memmove(out->data + at + header_len, out->data + at + FRAME_HEADER_USUAL, len);
        out->len = at + header_len + len;
    }
    memcpy(out->data + at, header, header_len);
}

static void encode_one(struct encoder *encoder, const struct record *record, uint64_t sequence,
                       enum follow_format format)
{
    switch (format) {
    case FORMAT_WEBSOCKET:
        encode_frame(encoder, record, sequence);
        break;
    case FORMAT_SSE:
        buf_reset(&encoder->scratch);
        record_encoder_append(&encoder->json, &encoder->scratch, record, sequence);
        sse_append_event(&encoder->out, (int64_t)sequence, "log", buf_str(&encoder->scratch));
        break;
    case FORMAT_NDJSON:
        record_encoder_append(&encoder->json, &encoder->out, record, sequence);
        buf_append_byte(&encoder->out, '\n');
        break;
    case FORMAT_CSV:
        record_append_csv(&encoder->out, record, encoder->execution_id, sequence);
        break;
    case FORMAT_TEXT:
    case FORMAT_RAW:
        if (record->stream == STREAM_EVENT)
            break;
        if (format == FORMAT_RAW || utf8_valid(record->message.data, record->message.len))
            buf_append_str(&encoder->out, record->message);
        else
            buf_append_utf8(&encoder->out, record->message);
        if (!record->partial)
            buf_append_byte(&encoder->out, '\n');
        break;
    case FORMAT_CHUNK:
        break;
    }
}

// Whole output, whose text column is the answer as it stands.
static bool encode_as_text(const struct chunk *chunk, enum follow_format format)
{
    struct str text = chunk_text(chunk);
    if (!text.len || (format != FORMAT_RAW && format != FORMAT_TEXT))
        return false;
    return format == FORMAT_RAW || utf8_valid(text.data, text.len);
}

static void let_chunk_go(void *owner)
{
    struct chunk *chunk = owner;
    chunk_unref(&chunk);
}

struct encoded *encoded_new(const struct chunk *chunk, uint64_t first, struct str execution_id,
                            enum follow_format format)
{
    uint32_t count = chunk_count(chunk);
    struct encoded *encoded = xmalloc(sizeof(*encoded) + ((size_t)count + 1) * sizeof(encoded->offsets[0]));

    encoded->count = count;
    encoded->shares_chunk = false;
    if (encode_as_text(chunk, format)) {
        encoded->payload = payload_of(chunk_text(chunk), let_chunk_go, chunk_ref(chunk));
        encoded->shares_chunk = true;
        for (uint32_t i = 0; i <= count; i++)
            encoded->offsets[i] = (uint32_t)chunk_text_offset(chunk, i);
        return encoded;
    }

    struct encoder encoder = {.execution_id = execution_id};
    record_encoder_init(&encoder.json, execution_id, format == FORMAT_WEBSOCKET);
    buf_reserve(&encoder.out, chunk_message_bytes(chunk) + (size_t)count * 256);
    for (uint32_t i = 0; i < count; i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        encoded->offsets[i] = (uint32_t)encoder.out.len;
        encode_one(&encoder, &record, first + i, format);
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
