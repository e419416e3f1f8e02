#include "util/base64.h"

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_encode(const void *data, size_t len, char *out)
{
    const uint8_t *in = data;
    char *at = out;
    for (size_t i = 0; i < len; i += 3) {
        size_t left = len - i;
        uint32_t bits = (uint32_t)in[i] << 16 | (left > 1 ? (uint32_t)in[i + 1] << 8 : 0) | (left > 2 ? in[i + 2] : 0u);
        *at++ = base64_digits[bits >> 18];
        *at++ = base64_digits[bits >> 12 & 63];
        *at++ = left > 1 ? base64_digits[bits >> 6 & 63] : '=';
        *at++ = left > 2 ? base64_digits[bits & 63] : '=';
    }
    *at = 0;
    return (size_t)(at - out);
}

static int digit_value(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool base64_decode(struct str s, uint8_t *out, size_t *inout_len)
{
    if (s.len % 4 != 0)
        return false;
    size_t padding = 0;
    while (padding < 2 && padding < s.len && s.data[s.len - 1 - padding] == '=')
        padding++;
    size_t len = s.len / 4 * 3 - padding;
    if (len > *inout_len)
        return false;
    uint32_t bits = 0;
    size_t written = 0;
    for (size_t i = 0; i < s.len; i++) {
        int value = i >= s.len - padding ? 0 : digit_value(s.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        if (i % 4 != 3)
            continue;
        for (int shift = 16; shift >= 0 && written < len; shift -= 8)
            out[written++] = (uint8_t)(bits >> shift);
        // The bits that padding cuts off must be zero. So each text has one meaning, and each value has one text.
        if (i == s.len - 1 && padding && (bits & ((1u << 8 * padding) - 1)) != 0)
            return false;
        bits = 0;
    }
    *inout_len = len;
    return true;
}

static int url_digit_value(char c)
{
    return c == '-' ? 62 : c == '_' ? 63 : c == '+' || c == '/' ? -1 : digit_value(c);
}

bool base64url_decode(struct str s, uint8_t *out, size_t *inout_len)
{
    size_t len = s.len / 4 * 3 + (s.len % 4 ? s.len % 4 - 1 : 0), written = 0;
    if (s.len % 4 == 1 || len > *inout_len)
        return false;
    uint32_t bits = 0;
    unsigned held = 0;
    for (size_t i = 0; i < s.len; i++) {
        int value = url_digit_value(s.data[i]);
        if (value < 0)
            return false;
        bits = bits << 6 | (uint32_t)value;
        held += 6;
        if (held < 8)
            continue;
        held -= 8;
        out[written++] = (uint8_t)(bits >> held);
        bits &= (1u << held) - 1;
    }
    *inout_len = written;
    return bits == 0;
}
