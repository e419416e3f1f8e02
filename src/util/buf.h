// A growable byte buffer. A zeroed one is empty: `struct buf b = {0}`. Not thread-safe. It grows by doubling, and
// aborts when memory runs out. So code that appends a client's data must limit it first.
#pragma once

#include "util/str.h"

struct buf {
    char *data; // NULL until something is appended
    size_t len;
    size_t cap;
};

void buf_release(struct buf *buf);
void buf_reset(struct buf *buf); // sets len to 0 and keeps the memory
void buf_reserve(struct buf *buf, size_t extra);
void buf_append(struct buf *buf, const void *data, size_t len);
void buf_append_str(struct buf *buf, struct str s);
void buf_append_text(struct buf *buf, const char *text);
void buf_append_byte(struct buf *buf, char byte);
void buf_printf(struct buf *buf, const char *fmt, ...) PRINTF_LIKE(2, 3);
void buf_append_u64(struct buf *buf, uint64_t value); // decimal
void buf_append_i64(struct buf *buf, int64_t value);
void buf_consume(struct buf *buf, size_t len); // removes bytes from the front
// NUL-terminated, valid until the next change; the NUL does not count in `len`
const char *buf_cstr(struct buf *buf);
char *buf_take(struct buf *buf); // NUL-terminated, owned by the caller; the buffer is empty afterwards

static inline struct str buf_str(const struct buf *buf)
{
    return (struct str){buf->data, buf->len};
}

// LEB128 integers of variable length, as in Protocol Buffers. The zigzag form is for signed ones.
void buf_append_varint(struct buf *buf, uint64_t value);
void buf_append_svarint(struct buf *buf, int64_t value);
// Little-endian fixed widths.
void buf_append_le32(struct buf *buf, uint32_t value);
void buf_append_le64(struct buf *buf, uint64_t value);

// Reads a varint at *pos. Returns false if it goes past `end` or needs more than 64 bits. *pos moves only on success.
bool varint_read(const uint8_t **pos, const uint8_t *end, uint64_t *ret);
bool svarint_read(const uint8_t **pos, const uint8_t *end, int64_t *ret);

// JSON output (RFC 8259). A string is quoted and escaped. Bytes that are not UTF-8 become U+FFFD, one for each maximal
// ill-formed part (Unicode 15, 3.9, "substitution of maximal subparts").
void buf_append_json_string(struct buf *buf, struct str s);
// Appends the bytes as UTF-8: each maximal ill-formed part becomes U+FFFD.
void buf_append_utf8(struct buf *buf, struct str s);
