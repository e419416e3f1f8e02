#include "model/scan.h"

#ifdef __SSE2__
#include <emmintrin.h>
#endif

static inline bool is_digit(char byte)
{
    return byte >= '0' && byte <= '9';
}

// Moves to the first quote, backslash or control character, or to the end. Tells whether a byte before it was not
// ASCII.
static inline bool scan_plain(struct scan *scan)
{
    bool high = false;
#ifdef __SSE2__
    const __m128i quote = _mm_set1_epi8('"'), backslash = _mm_set1_epi8('\\'), control = _mm_set1_epi8(0x1f);
    while (scan->end - scan->at >= 16) {
        __m128i block = _mm_loadu_si128((const __m128i *)(const void *)scan->at);
        __m128i special = _mm_or_si128(_mm_cmpeq_epi8(_mm_min_epu8(block, control), block),
                                       _mm_or_si128(_mm_cmpeq_epi8(block, quote), _mm_cmpeq_epi8(block, backslash)));
        unsigned stop = (unsigned)_mm_movemask_epi8(special), highs = (unsigned)_mm_movemask_epi8(block);
        if (stop) {
            scan->at += __builtin_ctz(stop);
            return high || (highs & ((stop & (0 - stop)) - 1)) != 0;
        }
        high |= highs != 0;
        scan->at += 16;
    }
#endif
    while (scan->at < scan->end && (uint8_t)*scan->at >= 0x20 && *scan->at != '"' && *scan->at != '\\') {
        high |= (uint8_t)*scan->at >= 0x80;
        scan->at++;
    }
    return high;
}

static int hex_value(char byte)
{
    if (is_digit(byte))
        return byte - '0';
    byte = (char)(byte | 0x20);
    return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

// Reads four hex digits; -1 if they are not.
static int32_t hex4(const char *at)
{
    int32_t value = 0;
    for (unsigned i = 0; i < 4; i++) {
        int digit = hex_value(at[i]);
        if (digit < 0)
            return -1;
        value = value << 4 | digit;
    }
    return value;
}

// Must be at a backslash.
static bool skip_escape(struct scan *scan)
{
    if (scan->end - scan->at < 2)
        return false;
    char byte = scan->at[1];
    if (byte != 'u') {
        scan->at += 2;
        return byte == '"' || byte == '\\' || byte == '/' || byte == 'b' || byte == 'f' || byte == 'n' || byte == 'r' ||
               byte == 't';
    }
    if (scan->end - scan->at < 6 || hex4(scan->at + 2) < 0)
        return false;
    scan->at += 6;
    return true;
}

bool scan_string(struct scan *scan, struct str *ret, bool *ret_escaped)
{
    bool high = false, escaped = false;
    if (scan->at == scan->end || *scan->at != '"')
        return false;
    const char *start = ++scan->at;
    for (;;) {
        high |= scan_plain(scan);
        if (scan->at == scan->end)
            return false;
        if (*scan->at == '"')
            break;
        if (*scan->at != '\\' || !skip_escape(scan))
            return false;
        escaped = true;
    }
    *ret = str_n(start, (size_t)(scan->at - start));
    *ret_escaped = escaped;
    scan->at++;
    return !high || utf8_valid(ret->data, ret->len);
}

static bool skip_digits(struct scan *scan)
{
    const char *start = scan->at;
    while (scan->at < scan->end && is_digit(*scan->at))
        scan->at++;
    return scan->at > start;
}

static bool skip_number(struct scan *scan)
{
    if (*scan->at == '-')
        scan->at++;
    if (scan->at < scan->end && *scan->at == '0')
        scan->at++;
    else if (!skip_digits(scan))
        return false;
    if (scan->at < scan->end && *scan->at == '.') {
        scan->at++;
        if (!skip_digits(scan))
            return false;
    }
    if (scan->at == scan->end || (*scan->at | 0x20) != 'e')
        return true;
    scan->at++;
    if (scan->at < scan->end && (*scan->at == '+' || *scan->at == '-'))
        scan->at++;
    return skip_digits(scan);
}

static bool skip_word(struct scan *scan, struct str word)
{
    if ((size_t)(scan->end - scan->at) < word.len || memcmp(scan->at, word.data, word.len) != 0)
        return false;
    scan->at += word.len;
    return true;
}

static bool skip_value(struct scan *scan, unsigned depth);

static bool skip_array(struct scan *scan, unsigned depth)
{
    scan->at++;
    if (scan_take(scan, ']'))
        return true;
    do {
        if (!skip_value(scan, depth))
            return false;
    } while (scan_take(scan, ','));
    return scan_take(scan, ']');
}

static bool skip_object(struct scan *scan, unsigned depth)
{
    scan->at++;
    if (scan_take(scan, '}'))
        return true;
    do {
        struct str key;
        bool escaped;
        if (!scan_skip_space(scan) || !scan_string(scan, &key, &escaped) || !scan_take(scan, ':') ||
            !skip_value(scan, depth))
            return false;
    } while (scan_take(scan, ','));
    return scan_take(scan, '}');
}

// `depth` limits the recursion.
static bool skip_value(struct scan *scan, unsigned depth)
{
    struct str string;
    bool escaped;
    if (!scan_skip_space(scan))
        return false;
    switch (*scan->at) {
    case '"':
        return scan_string(scan, &string, &escaped);
    case '{':
        return depth > 0 && skip_object(scan, depth - 1);
    case '[':
        return depth > 0 && skip_array(scan, depth - 1);
    case 't':
        return skip_word(scan, STR("true"));
    case 'f':
        return skip_word(scan, STR("false"));
    case 'n':
        return skip_word(scan, STR("null"));
    default:
        return skip_number(scan);
    }
}

bool scan_value(struct scan *scan, unsigned depth, struct str *ret)
{
    if (!scan_skip_space(scan))
        return false;
    const char *start = scan->at;
    if (!skip_value(scan, depth))
        return false;
    *ret = str_n(start, (size_t)(scan->at - start));
    return true;
}

static size_t put_utf8(uint32_t point, char *out)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    if (point < 0x800) {
        out[0] = (char)(0xc0 | point >> 6);
        out[1] = (char)(0x80 | (point & 0x3f));
        return 2;
    }
    if (point < 0x10000) {
        out[0] = (char)(0xe0 | point >> 12);
        out[1] = (char)(0x80 | (point >> 6 & 0x3f));
        out[2] = (char)(0x80 | (point & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | point >> 18);
    out[1] = (char)(0x80 | (point >> 12 & 0x3f));
    out[2] = (char)(0x80 | (point >> 6 & 0x3f));
    out[3] = (char)(0x80 | (point & 0x3f));
    return 4;
}

// Returns the code point of the `\uXXXX` at *at, or of the surrogate pair there. Moves *at behind it.
static uint32_t take_unicode(const char **at, const char *end)
{
    uint32_t point = (uint32_t)hex4(*at + 2);
    *at += 6;
    if (point < 0xd800 || point > 0xdfff)
        return point;
    if (point < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u') {
        uint32_t low = (uint32_t)hex4(*at + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            *at += 6;
            return 0x10000 + ((point - 0xd800) << 10 | (low - 0xdc00));
        }
    }
    return 0xfffd;
}

size_t scan_decode(struct str body, char *out)
{
    static const char escapes[128] = {
        ['"'] = '"', ['\\'] = '\\', ['/'] = '/', ['b'] = '\b', ['f'] = '\f', ['n'] = '\n', ['r'] = '\r', ['t'] = '\t'};
    const char *at = body.data, *end = body.data + body.len;
    char *start = out;
    while (at < end) {
        const char *backslash = memchr(at, '\\', (size_t)(end - at));
        size_t plain = (size_t)((backslash ? backslash : end) - at);
        out = mempcpy(out, at, plain);
        at += plain;
        if (!backslash)
            break;
        if (at[1] == 'u') {
            out += put_utf8(take_unicode(&at, end), out);
        } else {
            *out++ = escapes[(uint8_t)at[1]];
            at += 2;
        }
    }
    return (size_t)(out - start);
}

static void append_canonical_string(struct buf *out, struct str body, bool escaped, struct buf *scratch)
{
    if (escaped) {
        buf_reset(scratch);
        buf_reserve(scratch, body.len);
        body = str_n(scratch->data, scan_decode(body, scratch->data));
    }
    buf_append_json_string(out, body);
}

void scan_append_canonical(struct buf *out, struct str value, struct buf *scratch)
{
    struct scan scan = {value.data, value.data + value.len};
    while (scan_skip_space(&scan)) {
        struct str body;
        bool escaped;
        if (*scan.at != '"') {
            buf_append_byte(out, *scan.at++);
            continue;
        }
        if (!scan_string(&scan, &body, &escaped))
            return;
        append_canonical_string(out, body, escaped, scratch);
    }
}
