#include "model/result.h"

#include <jansson.h>

#define NOT_JSON   "neither its whole output nor its last line is JSON"
#define TOO_GREAT  "its output is JSON with a whole number of more than 64 bits, which many programs cannot read"
#define WHOLE_LONG "its output is longer than 64 KiB, and its last line is no JSON"
#define LINE_LONG  "its last line is longer than 64 KiB"
#define TOO_LONG   "its output is JSON of more than 64 KiB"
#define TOO_DEEP   "its output is JSON of more than 32 levels"

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

// Appends what is not white space between values. Returns how deep it goes. `text` is valid JSON.
static unsigned append_compact(struct str text, struct buf *out)
{
    bool quoted = false;
    unsigned depth = 0, deepest = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (!quoted && is_space(c))
            continue;
        buf_append_byte(out, c);
        if (quoted && c == '\\')
            buf_append_byte(out, text.data[++i]); // valid JSON has something behind it
        else if (c == '"')
            quoted = !quoted;
        else if (!quoted && (c == '{' || c == '['))
            depth++;
        else if (!quoted && (c == '}' || c == ']'))
            depth--;
        deepest = MAX(deepest, depth);
    }
    return deepest;
}

static bool is_json(struct str text, size_t flags)
{
    json_t *value = json_loadb(text.data, text.len, JSON_DECODE_ANY | flags, NULL);
    json_decref(value);
    return value != NULL;
}

bool result_compact(struct str text, struct buf *ret, const char **ret_reason)
{
    size_t before = ret->len;
    *ret_reason = text.len > RESULT_MAX ? TOO_LONG : NOT_JSON;
    if (text.len == 0 || text.len > RESULT_MAX)
        return false;
    if (!is_json(text, 0)) {
        if (is_json(text, JSON_DECODE_INT_AS_REAL))
            *ret_reason = TOO_GREAT;
        return false;
    }
    if (append_compact(text, ret) <= RESULT_DEPTH_MAX)
        return true;
    ret->len = before;
    *ret_reason = TOO_DEEP;
    return false;
}

// A flag is set, and nothing is kept, when it grows longer than it may be.
static void append_bounded(struct buf *out, bool *over, struct str text)
{
    *over |= out->len + text.len > RESULT_MAX;
    if (*over)
        buf_release(out);
    else
        buf_append_str(out, text);
}

static void end_line(struct result_reader *reader)
{
    if (reader->line_over || str_trim(buf_str(&reader->line)).len > 0) {
        struct buf before = reader->last;
        reader->last_over = reader->line_over;
        reader->last = reader->line; // empty if it was too long
        reader->line = before;
    }
    buf_reset(&reader->line);
    reader->line_over = false;
}

void result_read(struct result_reader *reader, struct str message, bool partial)
{
    append_bounded(&reader->whole, &reader->whole_over, message);
    append_bounded(&reader->line, &reader->line_over, message);
    if (partial)
        return;
    append_bounded(&reader->whole, &reader->whole_over, STR("\n"));
    end_line(reader);
}

bool result_take(struct result_reader *reader, struct buf *ret, const char **ret_reason)
{
    const char *reason;
    end_line(reader);
    // White space at the end, as the last newline, does not count.
    if (!reader->whole_over && result_compact(str_trim(buf_str(&reader->whole)), ret, ret_reason))
        return true;
    if (reader->whole_over)
        *ret_reason = WHOLE_LONG;
    if (result_compact(str_trim(buf_str(&reader->last)), ret, &reason))
        return true;
    if (reader->last_over)
        *ret_reason = LINE_LONG;
    else if (strcmp(reason, NOT_JSON) != 0)
        *ret_reason = reason;
    return false;
}

void result_reader_release(struct result_reader *reader)
{
    buf_release(&reader->whole);
    buf_release(&reader->line);
    buf_release(&reader->last);
    *reader = (struct result_reader){0};
}
