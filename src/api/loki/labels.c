#include "api/loki/labels.h"

#include "util/error.h"

static void skip(struct str *text, size_t count)
{
    *text = str_n(text->data + count, text->len - count);
}

static void skip_blank(struct str *text)
{
    while (text->len && (text->data[0] == ' ' || text->data[0] == '\t'))
        skip(text, 1);
}

static bool take(struct str *text, char c)
{
    skip_blank(text);
    if (text->len == 0 || text->data[0] != c)
        return false;
    skip(text, 1);
    skip_blank(text);
    return true;
}

static struct str take_name(struct str *text)
{
    size_t len = 0;
    while (len < text->len &&
           (text->data[len] == '_' || text->data[len] == '.' || text->data[len] == ':' ||
            (text->data[len] >= 'a' && text->data[len] <= 'z') || (text->data[len] >= 'A' && text->data[len] <= 'Z') ||
            (text->data[len] >= '0' && text->data[len] <= '9')))
        len++;
    struct str name = str_n(text->data, len);
    skip(text, len);
    return name;
}

static int hex_of(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static void append_rune(struct buf *out, uint32_t rune)
{
    if (rune > 0x10ffff || (rune >= 0xd800 && rune < 0xe000))
        rune = 0xfffd;
    if (rune < 0x80) {
        buf_append_byte(out, (char)rune);
        return;
    }
    unsigned more = rune < 0x800 ? 1 : rune < 0x10000 ? 2 : 3;
    static const uint8_t leads[] = {0, 0xc0, 0xe0, 0xf0};
    buf_append_byte(out, (char)(leads[more] | rune >> (6 * more)));
    while (more-- > 0)
        buf_append_byte(out, (char)(0x80 | (rune >> (6 * more) & 0x3f)));
}

// \xhh, \uhhhh, \Uhhhhhhhh, behind the letter.
static bool take_hex(struct str *text, size_t digits, uint32_t *ret)
{
    *ret = 0;
    if (text->len < digits)
        return false;
    for (size_t i = 0; i < digits; i++) {
        int digit = hex_of(text->data[i]);
        if (digit < 0)
            return false;
        *ret = *ret << 4 | (uint32_t)digit;
    }
    skip(text, digits);
    return true;
}

static bool take_octal(struct str *text, char first, struct buf *out)
{
    if (text->len < 2)
        return false;
    unsigned value = (unsigned)(first - '0');
    for (size_t i = 0; i < 2; i++) {
        if (text->data[i] < '0' || text->data[i] > '7')
            return false;
        value = value * 8 + (unsigned)(text->data[i] - '0');
    }
    skip(text, 2);
    buf_append_byte(out, (char)value);
    return value <= 255;
}

// Behind the backslash.
static bool take_escape(struct str *text, struct buf *out)
{
    static const char letters[] = "abfnrtv\\\"'", bytes[] = "\a\b\f\n\r\t\v\\\"'";
    if (text->len == 0)
        return false;
    char c = text->data[0];
    const char *simple = c ? strchr(letters, c) : NULL;
    uint32_t rune;
    skip(text, 1);
    if (simple) {
        buf_append_byte(out, bytes[simple - letters]);
        return true;
    }
    if (c == 'x' && take_hex(text, 2, &rune)) {
        buf_append_byte(out, (char)rune);
        return true;
    }
    if ((c == 'u' && take_hex(text, 4, &rune)) || (c == 'U' && take_hex(text, 8, &rune))) {
        append_rune(out, rune);
        return true;
    }
    return c >= '0' && c <= '7' && take_octal(text, c, out);
}

static bool take_quoted(struct str *text, struct str *ret, struct buf *scratch)
{
    size_t plain = 0;
    while (plain < text->len && text->data[plain] != '"' && text->data[plain] != '\\')
        plain++;
    if (plain < text->len && text->data[plain] == '"') {
        *ret = str_n(text->data, plain);
        skip(text, plain + 1);
        return true;
    }
    buf_reset(scratch);
    while (text->len && text->data[0] != '"') {
        char c = text->data[0];
        skip(text, 1);
        if (c != '\\')
            buf_append_byte(scratch, c);
        else if (!take_escape(text, scratch))
            return false;
    }
    *ret = buf_str(scratch);
    return take(text, '"');
}

static bool take_raw(struct str *text, struct str *ret)
{
    const char *end = memchr(text->data, '`', text->len);
    if (!end)
        return false;
    *ret = str_n(text->data, (size_t)(end - text->data));
    skip(text, ret->len + 1);
    return true;
}

static bool take_value(struct str *text, struct str *ret, struct buf *scratch)
{
    if (text->len == 0)
        return false;
    char quote = text->data[0];
    skip(text, 1);
    return quote == '"' ? take_quoted(text, ret, scratch) : quote == '`' && take_raw(text, ret);
}

int loki_label_next(struct str *labels, struct str *ret_name, struct str *ret_value, struct buf *scratch)
{
    struct str rest = *labels;
    if (take(&rest, '}'))
        return rest.len == 0 ? 0 : ERR_MALFORMED;
    *ret_name = take_name(&rest);
    if (ret_name->len == 0 || !take(&rest, '=') || !take_value(&rest, ret_value, scratch))
        return ERR_MALFORMED;
    take(&rest, ',');
    *labels = rest;
    return 1;
}
