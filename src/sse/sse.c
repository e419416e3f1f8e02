#include "sse/sse.h"

#include "util/error.h"

void sse_append_event(struct buf *out, int64_t id, const char *event, struct str data)
{
    if (id >= 0) {
        buf_append_text(out, "id: ");
        buf_append_i64(out, id);
        buf_append_byte(out, '\n');
    }
    if (event) {
        buf_append_text(out, "event: ");
        buf_append_text(out, event);
        buf_append_byte(out, '\n');
    }
    buf_append_text(out, "data: ");
    buf_append_str(out, data);
    buf_append_text(out, "\n\n");
}

void sse_append_position(struct buf *out, int64_t id)
{
    buf_append_text(out, "id: ");
    buf_append_i64(out, id);
    buf_append_text(out, "\n\n");
}

void sse_append_comment(struct buf *out)
{
    buf_append_text(out, ":\n\n");
}

static void dispatch(struct sse_parser *parser, void (*event)(void *, struct str, struct str, struct str), void *arg)
{
    struct str id = buf_str(&parser->id);
    if (parser->saw_data) {
        struct str type = parser->event.len ? buf_str(&parser->event) : STR("message");
        event(arg, type, id, str_n(parser->data.data, parser->data.len - 1)); // without the last line's break
    } else if (parser->saw_id) {
        event(arg, (struct str){0}, id, (struct str){0});
    }
    buf_reset(&parser->data);
    buf_reset(&parser->event);
    parser->saw_data = parser->saw_id = false;
}

static int take_field(struct sse_parser *parser, struct str name, struct str value, size_t max)
{
    if (str_eq(name, STR("data"))) {
        if (parser->data.len + value.len > max)
            return ERR_TOO_LARGE;
        buf_append_str(&parser->data, value);
        buf_append_byte(&parser->data, '\n');
        parser->saw_data = true;
    } else if (str_eq(name, STR("event"))) {
        buf_reset(&parser->event);
        buf_append_str(&parser->event, value);
    } else if (str_eq(name, STR("id")) && (value.len == 0 || !memchr(value.data, 0, value.len))) {
        buf_reset(&parser->id);
        buf_append_str(&parser->id, value);
        parser->saw_id = true;
    }
    return 0;
}

static int take_line(struct sse_parser *parser, size_t max, void (*event)(void *, struct str, struct str, struct str),
                     void *arg)
{
    struct str line = buf_str(&parser->line);
    if (!parser->started && str_starts(line, STR("\xef\xbb\xbf")))
        line = str_n(line.data + 3, line.len - 3);
    parser->started = true;
    if (line.len == 0) {
        dispatch(parser, event, arg);
        return 0;
    }
    if (line.data[0] == ':')
        return 0;
    struct str value = line;
    struct str name = str_split(&value, ':');
    if (value.len > 0 && value.data[0] == ' ')
        value = str_n(value.data + 1, value.len - 1);
    return take_field(parser, name, value, max);
}

int sse_parser_feed(struct sse_parser *parser, struct str bytes, size_t max,
                    void (*event)(void *arg, struct str type, struct str id, struct str data), void *arg)
{
    for (size_t at = 0; at < bytes.len;) {
        const char *start = bytes.data + at;
        if (parser->saw_cr && *start == '\n') {
            parser->saw_cr = false;
            at++;
            continue;
        }
        parser->saw_cr = false;
        size_t len = 0;
        while (at + len < bytes.len && start[len] != '\n' && start[len] != '\r')
            len++;
        if (parser->line.len + len > max)
            return ERR_TOO_LARGE;
        buf_append(&parser->line, start, len);
        at += len;
        if (at == bytes.len)
            break;
        parser->saw_cr = bytes.data[at++] == '\r';
        int err = take_line(parser, max, event, arg);
        buf_reset(&parser->line);
        if (err < 0)
            return err;
    }
    return 0;
}

void sse_parser_release(struct sse_parser *parser)
{
    buf_release(&parser->line);
    buf_release(&parser->data);
    buf_release(&parser->event);
    buf_release(&parser->id);
    *parser = (struct sse_parser){0};
}
