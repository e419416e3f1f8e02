#include "store/postgres/event_rows.h"

#include "store/postgres/copy_rows.h"

#define COLUMNS      7
#define JSONB_FORM   1    // of its binary form: text follows
#define DIGITS_MAX   1000 // of a number: a numeric has some 131,000 before the point, and 16,383 behind it
#define EXPONENT_MAX 4    // characters of it with its sign

static bool is_of_number(char byte)
{
    return (byte >= '0' && byte <= '9') || byte == '-' || byte == '+' || byte == '.' || byte == 'e' || byte == 'E';
}

// Returns what lies behind the string that begins at `at`.
static const char *add_string(struct buf *out, const char *at, const char *end)
{
    const char *from = at++;
    for (; at < end && *at != '"'; at++) {
        if (*at != '\\')
            continue;
        if (end - at >= 6 && memcmp(at, "\\u0000", 6) == 0) {
            buf_append(out, from, (size_t)(at - from));
            buf_append_text(out, "\\ufffd");
            from = at + 6;
            at += 5;
        } else {
            at++;
        }
    }
    at = at < end ? at + 1 : end;
    buf_append(out, from, (size_t)(at - from));
    return at;
}

static const char *add_number(struct buf *out, const char *at, const char *end)
{
    const char *from = at, *exponent = NULL;
    for (; at < end && is_of_number(*at); at++)
        if (*at == 'e' || *at == 'E')
            exponent = at + 1;
    bool fits = at - from <= DIGITS_MAX && (!exponent || at - exponent <= EXPONENT_MAX);
    if (!fits)
        buf_append_byte(out, '"');
    buf_append(out, from, (size_t)(at - from));
    if (!fits)
        buf_append_byte(out, '"');
    return at;
}

void event_rows_json(struct buf *out, struct str json)
{
    const char *at = json.data, *end = json.data + json.len;
    while (at < end) {
        if (*at == '"')
            at = add_string(out, at, end);
        else if (*at == '-' || (*at >= '0' && *at <= '9'))
            at = add_number(out, at, end);
        else
            buf_append_byte(out, *at++);
    }
}

// PostgreSQL's text is UTF-8 without zero bytes.
static void add_text(struct buf *out, struct str text)
{
    const char *zero;
    while ((zero = str_find(text, '\0'))) {
        size_t len = (size_t)(zero - text.data);
        buf_append_utf8(out, str_n(text.data, len));
        buf_append_text(out, "\xef\xbf\xbd");
        text = str_n(zero + 1, text.len - len - 1);
    }
    buf_append_utf8(out, text);
}

static void add_row(struct buf *out, int64_t row, uint64_t sequence, const struct record *record)
{
    CLEANUP(buf_release) struct buf message = {0}, fields = {0};
    const char *level = record_level_name(record_level_of(record));
    add_text(&message, record->message);
    buf_append_byte(&fields, JSONB_FORM);
    buf_append_byte(&fields, '{');
    event_rows_json(&fields, record->extra);
    buf_append_byte(&fields, '}');
    copy_row(out, COLUMNS);
    copy_int8(out, (uint64_t)row);
    copy_int8(out, sequence);
    copy_int8(out, (uint64_t)record->time_ms);
    copy_bytes(out, str_of(record_stream_name(record->stream)));
    copy_bytes(out, str_of(level ? level : "INFO"));
    copy_bytes(out, buf_str(&message));
    copy_bytes(out, buf_str(&fields));
}

void event_rows_add(struct buf *out, int64_t row, uint64_t first, const struct chunk *chunk)
{
    if (chunk_stream_count(chunk, STREAM_EVENT) == 0 && chunk_extra_count(chunk) == 0)
        return;
    for (uint32_t i = 0; i < chunk_count(chunk); i++) {
        struct record record;
        chunk_record(chunk, i, &record);
        if (record.stream == STREAM_EVENT || record.extra.len > 0)
            add_row(out, row, first + i, &record);
    }
}
