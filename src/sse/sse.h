// Server-sent events (WHATWG HTML, 9.2): what a server writes.
#pragma once

#include "util/buf.h"

// Appends "id: N\nevent: NAME\ndata: DATA\n\n". `event` may be NULL. `id` < 0 means no id. `data` must not hold a line
// break.
void sse_append_event(struct buf *out, int64_t id, const char *event, struct str data);
void sse_append_position(struct buf *out, int64_t id); // a bare "id: N\n\n"
void sse_append_comment(struct buf *out);              // ":\n\n"
