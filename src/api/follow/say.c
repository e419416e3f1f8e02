#include "api/follow/messages.h"
#include "api/follow/streams_private.h"

void socket_say_error(struct streams_socket *socket, const struct subscription_kind *kind, struct str id, int err,
                      const char *text)
{
    CLEANUP(buf_release) struct buf out = {0};
    struct json_writer json = json_writer_to(&out);
    if (!socket->ws)
        return;
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "error");
    if (kind)
        json_add_str(&json, kind->member, id);
    json_add_text(&json, "code", error_word(err));
    json_add_text(&json, "error", text ? text : error_text(err));
    json_close(&json);
    ws_send(socket->ws, WS_TEXT, out.data, out.len);
}
