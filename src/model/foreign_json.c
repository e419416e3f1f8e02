#include "model/foreign_json.h"

#define ESCAPE 6 // bytes of \uhhhh

// Returns the code unit of an escape \uhhhh at the front, or -1.
static int32_t unit_at(const char *at, const char *end)
{
    int32_t unit = 0;
    if (end - at < ESCAPE || at[0] != '\\' || at[1] != 'u')
        return -1;
    for (int i = 2; i < ESCAPE; i++) {
        char c = at[i];
        if (c >= '0' && c <= '9')
            unit = unit << 4 | (c - '0');
        else if ((c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))
            unit = unit << 4 | ((c | 0x20) - 'a' + 10);
        else
            return -1;
    }
    return unit;
}

static bool is_low(int32_t unit)
{
    return unit >= 0xdc00 && unit < 0xe000;
}

// The next escape of a surrogate that is not in a pair, or NULL.
static const char *next_half(const char *at, const char *end)
{
    while (at < end && (at = memchr(at, '\\', (size_t)(end - at)))) {
        int32_t unit = unit_at(at, end);
        bool high = unit >= 0xd800 && unit < 0xdc00;
        if (is_low(unit) || (high && !is_low(unit_at(at + ESCAPE, end))))
            return at;
        at += high ? 2 * ESCAPE : unit >= 0 ? ESCAPE : 2;
    }
    return NULL;
}

struct str foreign_json_mend(struct str text, struct buf *mended)
{
    const char *half = text.len > 0 ? next_half(text.data, text.data + text.len) : NULL;
    if (!half)
        return text;
    buf_reset(mended);
    buf_append_str(mended, text);
    for (char *at = mended->data + (half - text.data); at; at = (char *)next_half(at, mended->data + mended->len))
        memcpy(at, "\\ufffd", ESCAPE);
    return buf_str(mended);
}

json_t *foreign_json_load(struct str text, size_t flags, json_error_t *ret_error)
{
    CLEANUP(buf_release) struct buf mended = {0};
    text = foreign_json_mend(text, &mended);
    return json_loadb(text.len > 0 ? text.data : "", text.len, flags | JSON_ALLOW_NUL, ret_error);
}
