#include "cli/chunk_stream.h"

#include <endian.h>

#define HEADER      12
#define TOLD        0xFFFFFFFFu
#define TOLD_MAX    (64u * 1024)
#define MESSAGE_MAX (1024u * 1024)

static uint32_t read_le32(const char *at)
{
    uint32_t value;
    memcpy(&value, at, sizeof(value));
    return le32toh(value);
}

static uint64_t read_le64(const char *at)
{
    uint64_t value;
    memcpy(&value, at, sizeof(value));
    return le64toh(value);
}

// Takes the frame at the start of `bytes`. *ret_len is its length, or 0 if it is not complete yet.
static int take_frame(struct chunk_stream *stream, struct str bytes, size_t *ret_len)
{
    *ret_len = 0;
    if (bytes.len < HEADER)
        return 0;
    uint32_t len = read_le32(bytes.data + 8);
    if (len == TOLD) {
        if (bytes.len < HEADER + 4)
            return 0;
        len = read_le32(bytes.data + HEADER);
        if (len > TOLD_MAX)
            return ERR_TOO_LARGE;
        if (bytes.len - HEADER - 4 < len)
            return 0;
        *ret_len = HEADER + 4 + (size_t)len;
        if (stream->message)
            stream->message(stream->arg, str_n(bytes.data + HEADER + 4, len));
        return 0;
    }
    if (len > CHUNK_ENCODED_MAX)
        return ERR_TOO_LARGE;
    if (bytes.len - HEADER < len)
        return 0;
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    int err = chunk_decode(bytes.data + HEADER, len, MESSAGE_MAX, &chunk);
    if (err)
        return err;
    *ret_len = HEADER + (size_t)len;
    return stream->chunk(stream->arg, read_le64(bytes.data), chunk) ? 0 : ERR_CANCELED;
}

int chunk_stream_feed(struct chunk_stream *stream, struct str bytes)
{
    if (bytes.len == 0)
        return 0;
    buf_append_str(&stream->buf, bytes);
    size_t at = 0, len = 0;
    int err;
    do {
        err = take_frame(stream, str_n(stream->buf.data + at, stream->buf.len - at), &len);
        at += len;
    } while (err == 0 && len > 0);
    buf_consume(&stream->buf, at);
    return err;
}

void chunk_stream_release(struct chunk_stream *stream)
{
    buf_release(&stream->buf);
}
