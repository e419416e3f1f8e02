// Every record passes through here once for each output format. So sixteen bytes of plain ASCII are copied at a time,
// and UTF-8 is checked in the same pass.
#include "util/buf.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

#define SLACK 16 // a block may be stored whole although only a part of it counts

#ifdef __SSE2__
// Copies sixteen bytes. Returns a bit for each that may not stand as it is.
static inline unsigned copy_block(char *out, const uint8_t *from)
{
    const __m128i space = _mm_set1_epi8(0x20), quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\');
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)from);
    _mm_storeu_si128((__m128i *)(void *)out, block);
    // As signed numbers, bytes from 0x80 are below the space, too.
    __m128i special = _mm_or_si128(_mm_cmplt_epi8(block, space),
                                   _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)));
    return (unsigned)_mm_movemask_epi8(special);
}
#endif

// Copies the longest prefix of [at, end) that may stand as it is: ASCII without controls, quote and backslash. `out`
// has room for end - at + SLACK bytes. Returns the length.
static size_t copy_plain(char *out, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;
#ifdef __SSE2__
    for (; end - at >= 16; at += 16, out += 16) {
        unsigned special = copy_block(out, at);
        if (special)
            return (size_t)(at - start) + (size_t)__builtin_ctz(special);
    }
    // The zeros behind the rest, which is most of a name, are special.
    uint8_t rest[16] = {0};
    memcpy(rest, at, (size_t)(end - at));
    return (size_t)(at - start) + (size_t)__builtin_ctz(copy_block(out, rest));
#else
    while (at < end && *at >= 0x20 && *at < 0x80 && *at != '"' && *at != '\\')
        *out++ = (char)*at++;
    return (size_t)(at - start);
#endif
}

// Writes the escape of an ASCII byte that must be escaped: at most 6 bytes. Returns the length.
static size_t put_escape(char *out, uint8_t byte)
{
    static const char hex[] = "0123456789abcdef";
    static const char letters[0x20] = {['\b'] = 'b', ['\t'] = 't', ['\n'] = 'n', ['\f'] = 'f', ['\r'] = 'r'};
    out[0] = '\\';
    if (byte >= 0x20) {
        out[1] = (char)byte;
        return 2;
    }
    if (letters[byte]) {
        out[1] = letters[byte];
        return 2;
    }
    memcpy(out + 1, "u00", 3);
    out[4] = hex[byte >> 4];
    out[5] = hex[byte & 15];
    return 6;
}

// Copies the longest prefix of well-formed sequences that are not ASCII. `out` has room for end - at + SLACK bytes.
static size_t copy_sequences(char *out, const uint8_t *at, const uint8_t *end)
{
    const uint8_t *start = at;
    while (at < end && *at >= 0x80) {
        int step = utf8_step(at, (size_t)(end - at));
        if (step < 0)
            break;
        // Four bytes are copied whatever the length; the next copy overwrites what is too much.
        memcpy(out, at, end - at >= 4 ? 4 : (size_t)step);
        out += step;
        at += step;
    }
    return (size_t)(at - start);
}

void buf_append_json_string(struct buf *buf, struct str s)
{
    // An empty view may hold NULL, and no offset may be added to NULL.
    const uint8_t *at = (const uint8_t *)(s.len > 0 ? s.data : "");
    const uint8_t *end = at + s.len;

    buf_reserve(buf, s.len + SLACK + 2);
    buf->data[buf->len++] = '"';
    while (at < end) {
        size_t plain = copy_plain(buf->data + buf->len, at, end);
        buf->len += plain;
        at += plain;
        if (at == end)
            break;
        size_t sequences = *at < 0x80 ? 0 : copy_sequences(buf->data + buf->len, at, end);
        if (sequences > 0) {
            buf->len += sequences;
            at += sequences;
            continue;
        }
        // Each input byte becomes at most 6 bytes.
        buf_reserve(buf, (size_t)(end - at) + 6 + SLACK + 2);
        char *out = buf->data + buf->len;
        if (*at < 0x80) {
            buf->len += put_escape(out, *at);
            at++;
        } else {
            memcpy(out, "\xef\xbf\xbd", 3);
            buf->len += 3;
            at -= utf8_step(at, (size_t)(end - at));
        }
    }
    buf->data[buf->len++] = '"';
}
