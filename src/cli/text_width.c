#include "cli/text_width.h"

#define ELLIPSIS "…"

struct range {
    uint32_t first, last;
};

// Combining marks, joiners and selectors, and signs that change the direction of writing.
static const struct range none[] = {
    {0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x0610, 0x061a}, {0x064b, 0x065f}, {0x0e31, 0x0e31},
    {0x0e34, 0x0e3a}, {0x0e47, 0x0e4e}, {0x1ab0, 0x1aff}, {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x20d0, 0x20f0},
    {0x302a, 0x302d}, {0x3099, 0x309a}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}, {0xfeff, 0xfeff}, {0xe0100, 0xe01ef},
};

static const struct range two[] = {
    {0x1100, 0x115f},   {0x2e80, 0x3029},   {0x302e, 0x303e},   {0x3041, 0x3098},   {0x309b, 0x33ff},
    {0x3400, 0x4dbf},   {0x4e00, 0xa4cf},   {0xa960, 0xa97f},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
    {0xfe30, 0xfe6f},   {0xff01, 0xff60},   {0xffe0, 0xffe6},   {0x1f300, 0x1f64f}, {0x1f680, 0x1f6ff},
    {0x1f900, 0x1f9ff}, {0x1fa70, 0x1faff}, {0x20000, 0x3fffd},
};

static bool is_in(const struct range *ranges, size_t count, uint32_t code)
{
    size_t low = 0;
    while (count > 0) {
        size_t half = count / 2;
        if (ranges[low + half].last < code) {
            low += half + 1;
            count -= half + 1;
        } else if (ranges[low + half].first > code) {
            count = half;
        } else {
            return true;
        }
    }
    return false;
}

static size_t width_of(uint32_t code)
{
    if (code < none[0].first)
        return 1;
    return is_in(none, ARRAY_LEN(none), code) ? 0 : is_in(two, ARRAY_LEN(two), code) ? 2 : 1;
}

static uint32_t code_point(const unsigned char *s, size_t len)
{
    static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = s[0] & lead_mask[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (s[i] & 0x3f);
    return code;
}

// The length of what stands at the start (len > 0), and its width.
static size_t next(struct str text, size_t *ret_width)
{
    *ret_width = 0;
    if (text.data[0] == '\033') {
        const char *end = str_find(text, 'm');
        return end ? (size_t)(end - text.data) + 1 : text.len;
    }
    int step = utf8_step(text.data, text.len);
    *ret_width = step > 0 ? width_of(code_point((const unsigned char *)text.data, (size_t)step)) : 1;
    return (size_t)abs(step);
}

static size_t measure(struct str text, size_t most, size_t *ret_width)
{
    size_t at = 0, width = 0, one;
    for (size_t len; at < text.len; at += len, width += one) {
        len = next(str_n(text.data + at, text.len - at), &one);
        if (width + one > most)
            break;
    }
    *ret_width = width;
    return at;
}

size_t text_width(struct str text)
{
    size_t width;
    measure(text, SIZE_MAX, &width);
    return width;
}

size_t text_prefix(struct str text, size_t width)
{
    size_t taken;
    return measure(text, width, &taken);
}

void text_append_cut(struct buf *out, struct str text, size_t width)
{
    if (text_width(text) <= width) {
        buf_append_str(out, text);
        return;
    }
    buf_append(out, text.data, width > 0 ? text_prefix(text, width - 1) : 0);
    buf_append_text(out, ELLIPSIS);
}
