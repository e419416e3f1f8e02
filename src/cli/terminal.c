#include "cli/terminal.h"

#define SGR_MAX      64
#define REPLACEMENT  "\xef\xbf\xbd"
#define CONTINUATION "\n    "
#define SGR_RESET    "\033[0m"

// Returns the length of the SGR sequence (CSI, digits and separators, 'm') at the start, or 0.
static size_t sgr_length(struct str text)
{
    if (text.len < 3 || text.data[0] != '\033' || text.data[1] != '[')
        return 0;
    for (size_t i = 2; i < MIN(text.len, (size_t)SGR_MAX); i++) {
        char c = text.data[i];
        if (c == 'm')
            return i + 1;
        if ((c < '0' || c > '9') && c != ';' && c != ':')
            return 0;
    }
    return 0;
}

static uint32_t code_point(const unsigned char *s, size_t len)
{
    static const unsigned char lead_mask[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
    uint32_t code = s[0] & lead_mask[len];
    for (size_t i = 1; i < len; i++)
        code = code << 6 | (s[i] & 0x3f);
    return code;
}

static bool is_unsafe(uint32_t code)
{
    return (code >= 0x80 && code <= 0x9f) || code == 0x061c || code == 0x200e || code == 0x200f ||
           (code >= 0x202a && code <= 0x202e) || (code >= 0x2066 && code <= 0x2069);
}

static bool is_plain(char c)
{
    return (unsigned char)c >= 0x20 && (unsigned char)c < 0x7f;
}

static size_t append_one(struct buf *out, struct str text)
{
    unsigned char c = (unsigned char)text.data[0];
    if (c == '\t') {
        buf_append_byte(out, '\t');
        return 1;
    }
    if (c == '\n') {
        buf_append_text(out, CONTINUATION);
        return 1;
    }
    if (c < 0x20 || c == 0x7f) {
        buf_append_byte(out, '^');
        buf_append_byte(out, (char)(c ^ 0x40));
        return 1;
    }
    int step = utf8_step(text.data, text.len);
    if (step < 0) {
        buf_append_text(out, REPLACEMENT);
        return (size_t)-step;
    }
    uint32_t code = code_point((const unsigned char *)text.data, (size_t)step);
    if (is_unsafe(code))
        buf_printf(out, "<U+%04X>", code);
    else
        buf_append(out, text.data, (size_t)step);
    return (size_t)step;
}

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

void terminal_append_cell(struct buf *out, struct str text)
{
    size_t len = 0;
    for (text = str_trim(text); text.len > 0; text = str_n(text.data + len, text.len - len)) {
        len = 0;
        while (len < text.len && is_space(text.data[len]))
            len++;
        if (len > 0)
            buf_append_byte(out, ' ');
        else
            len = append_one(out, text);
    }
}

static void append_safe(struct buf *out, struct str text, bool colours)
{
    bool coloured = false;
    while (text.len > 0) {
        size_t len = 0;
        while (len < text.len && is_plain(text.data[len]))
            len++;
        buf_append(out, text.data, len);
        if (len == 0) {
            len = colours ? sgr_length(text) : 0;
            coloured |= len > 0;
            if (len > 0)
                buf_append(out, text.data, len);
            else
                len = append_one(out, text);
        }
        text = str_n(text.data + len, text.len - len);
    }
    if (coloured)
        buf_append_text(out, SGR_RESET);
}

void terminal_append(struct buf *out, struct str text)
{
    append_safe(out, text, true);
}

void terminal_append_plain(struct buf *out, struct str text)
{
    append_safe(out, text, false);
}
