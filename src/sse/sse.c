#include "sse/sse.h"

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
