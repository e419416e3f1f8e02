// Server-sent events (WHATWG HTML, 9.2), both ends: framing on the server, an incremental parser for the client.
#pragma once

#include "util/buf.h"

// "id: N\nevent: NAME\ndata: DATA\n\n". `event` may be NULL, `id` < 0 leaves it out; `data` must hold no line break.
void sse_append_event(struct buf *out, int64_t id, const char *event, struct str data);
void sse_append_position(struct buf *out, int64_t id); // a bare "id: N\n\n"
void sse_append_comment(struct buf *out);              // ":\n\n"

// Zero-initialised is ready.
struct sse_parser {
    struct buf line, data, event, id;
    bool saw_cr;
    bool started; // past the place of a byte order mark
    bool saw_id;  // since the last dispatch
    bool saw_data;
};
// `event` gets each dispatched event (type "message" if unnamed) and its last id; bare ids come with empty type and data.
// Lines, and all data of one event, over `max` bytes: ERR_TOO_LARGE; the parser is of no more use then.
int sse_parser_feed(struct sse_parser *parser, struct str bytes, size_t max,
                    void (*event)(void *arg, struct str type, struct str id, struct str data), void *arg);
void sse_parser_release(struct sse_parser *parser);
