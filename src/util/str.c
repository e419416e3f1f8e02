#include "util/str.h"

bool str_eq(struct str a, struct str b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool str_eq_nocase(struct str a, struct str b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (ascii_lower(a.data[i]) != ascii_lower(b.data[i]))
            return false;
    }
    return true;
}

bool str_starts(struct str s, struct str prefix)
{
    return s.len >= prefix.len && str_eq(str_n(s.data, prefix.len), prefix);
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct str str_trim(struct str s)
{
    while (s.len > 0 && is_space(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_space(s.data[s.len - 1]))
        s.len--;
    return s;
}

const char *str_find(struct str s, char c)
{
    return s.len > 0 ? memchr(s.data, c, s.len) : NULL;
}

struct str str_split(struct str *rest, char sep)
{
    struct str s = *rest;
    const char *at = str_find(s, sep);
    if (!at) {
        *rest = (struct str){0};
        return s;
    }
    size_t head = (size_t)(at - s.data);
    *rest = str_n(at + 1, s.len - head - 1);
    return str_n(s.data, head);
}

char *str_dup(struct str s)
{
    char *copy = xmalloc(s.len + 1);
    if (s.len > 0)
        memcpy(copy, s.data, s.len);
    copy[s.len] = 0;
    return copy;
}

bool str_put(char *out, size_t size, struct str s)
{
    size_t len = MIN(s.len, size - 1);
    if (len > 0)
        memcpy(out, s.data, len);
    out[len] = 0;
    return len == s.len;
}

bool str_to_u64(struct str s, uint64_t *ret)
{
    uint64_t value = 0;
    if (s.len == 0)
        return false;
    for (size_t i = 0; i < s.len; i++) {
        unsigned digit = (unsigned)(unsigned char)s.data[i] - '0';
        if (digit > 9 || __builtin_mul_overflow(value, 10, &value) || __builtin_add_overflow(value, digit, &value))
            return false;
    }
    *ret = value;
    return true;
}

bool str_to_i64(struct str s, int64_t *ret)
{
    bool negative = s.len > 0 && s.data[0] == '-';
    uint64_t magnitude;
    if (negative)
        s = str_n(s.data + 1, s.len - 1);
    if (!str_to_u64(s, &magnitude) || magnitude > (uint64_t)INT64_MAX + negative)
        return false;
    *ret = negative ? (int64_t)(0 - magnitude) : (int64_t)magnitude;
    return true;
}
