#include "util/buf.h"

#include <endian.h>
#include <stdarg.h>

#define BUF_MIN 64

void buf_release(struct buf *buf)
{
    free(buf->data);
    *buf = (struct buf){0};
}

void buf_reset(struct buf *buf)
{
    buf->len = 0;
}

void buf_reserve(struct buf *buf, size_t extra)
{
    if (LIKELY(buf->cap - buf->len >= extra))
        return;
    size_t need, cap;
    // If the sum overflows, SIZE_MAX is asked for, which aborts as every failed allocation does.
    if (__builtin_add_overflow(buf->len, extra, &need))
        need = SIZE_MAX;
    if (__builtin_mul_overflow(buf->cap, 2, &cap))
        cap = need;
    cap = MAX(MAX(cap, need), BUF_MIN);
    buf->data = xrealloc(buf->data, cap);
    buf->cap = cap;
}

void buf_append(struct buf *buf, const void *data, size_t len)
{
    if (len == 0)
        return;
    buf_reserve(buf, len);
    memcpy(buf->data + buf->len, data, len);
    buf->len += len;
}

void buf_append_str(struct buf *buf, struct str s)
{
    buf_append(buf, s.data, s.len);
}

void buf_append_text(struct buf *buf, const char *text)
{
    buf_append(buf, text, strlen(text));
}

void buf_append_byte(struct buf *buf, char byte)
{
    buf_reserve(buf, 1);
    buf->data[buf->len++] = byte;
}

void buf_printf(struct buf *buf, const char *fmt, ...)
{
    va_list args;
    buf_reserve(buf, BUF_MIN);
    for (int tries = 0; tries < 2; tries++) {
        size_t room = buf->cap - buf->len;
        va_start(args, fmt);
        int len = vsnprintf(buf->data + buf->len, room, fmt, args);
        va_end(args);
        if (len < 0)
            abort(); // only a wrong format string, or a result over 2 GiB, leads here
        if ((size_t)len < room) {
            buf->len += (size_t)len;
            return;
        }
        buf_reserve(buf, (size_t)len + 1);
    }
}

static const char digit_pairs[] = "00010203040506070809"
                                  "10111213141516171819"
                                  "20212223242526272829"
                                  "30313233343536373839"
                                  "40414243444546474849"
                                  "50515253545556575859"
                                  "60616263646566676869"
                                  "70717273747576777879"
                                  "80818283848586878889"
                                  "90919293949596979899";

void buf_append_u64(struct buf *buf, uint64_t value)
{
    char digits[20]; // UINT64_MAX has 20 digits
    char *at = digits + sizeof(digits);
    while (value >= 100) {
        at -= 2;
        memcpy(at, digit_pairs + value % 100 * 2, 2);
        value /= 100;
    }
    if (value >= 10) {
        at -= 2;
        memcpy(at, digit_pairs + value * 2, 2);
    } else {
        *--at = (char)('0' + value);
    }
    buf_append(buf, at, (size_t)(digits + sizeof(digits) - at));
}

void buf_append_i64(struct buf *buf, int64_t value)
{
    uint64_t magnitude = (uint64_t)value;
    if (value < 0) {
        buf_append_byte(buf, '-');
        magnitude = 0 - magnitude;
    }
    buf_append_u64(buf, magnitude);
}

void buf_consume(struct buf *buf, size_t len)
{
    if (len == 0)
        return;
    buf->len -= len;
    memmove(buf->data, buf->data + len, buf->len);
}

const char *buf_cstr(struct buf *buf)
{
    buf_reserve(buf, 1);
    buf->data[buf->len] = 0;
    return buf->data;
}

char *buf_take(struct buf *buf)
{
    buf_cstr(buf);
    char *data = TAKE_PTR(buf->data);
    *buf = (struct buf){0};
    return data;
}

void buf_append_varint(struct buf *buf, uint64_t value)
{
    uint8_t bytes[10];
    size_t len = 0;
    while (value >= 0x80) {
        bytes[len++] = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    bytes[len++] = (uint8_t)value;
    buf_append(buf, bytes, len);
}

void buf_append_svarint(struct buf *buf, int64_t value)
{
    buf_append_varint(buf, (uint64_t)value << 1 ^ (uint64_t)(value >> 63));
}

void buf_append_le32(struct buf *buf, uint32_t value)
{
    value = htole32(value);
    buf_append(buf, &value, sizeof(value));
}

void buf_append_le64(struct buf *buf, uint64_t value)
{
    value = htole64(value);
    buf_append(buf, &value, sizeof(value));
}

bool varint_read(const uint8_t **pos, const uint8_t *end, uint64_t *ret)
{
    uint64_t value = 0;
    const uint8_t *at = *pos;
    for (unsigned shift = 0; at < end && shift < 64; shift += 7) {
        uint8_t byte = *at++;
        if (shift == 63 && byte > 1)
            return false;
        value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) {
            *pos = at;
            *ret = value;
            return true;
        }
    }
    return false;
}

bool svarint_read(const uint8_t **pos, const uint8_t *end, int64_t *ret)
{
    uint64_t value;
    if (!varint_read(pos, end, &value))
        return false;
    *ret = (int64_t)(value >> 1 ^ (0 - (value & 1)));
    return true;
}

void buf_append_utf8(struct buf *buf, struct str s)
{
    while (s.len > 0) {
        int step = utf8_step(s.data, s.len);
        if (step > 0)
            buf_append(buf, s.data, (size_t)step);
        else
            buf_append(buf, "\xef\xbf\xbd", 3);
        size_t taken = (size_t)(step > 0 ? step : -step);
        s.data += taken;
        s.len -= taken;
    }
}
