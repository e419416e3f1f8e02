#include "api/workers/private.h"

void worker_send(struct worker_socket *socket, struct str text)
{
    deferred_cancel(&socket->flush);
    worker_flush(&socket->flush);
    ws_send(socket->ws, WS_TEXT, text.data, text.len);
}

void worker_send_closed(struct worker_socket *socket, uint32_t number, const char *code, const char *reason)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "closed");
    json_add_u64(&json, "stream", number);
    json_add_text(&json, "code", code);
    json_add_text(&json, "reason", reason);
    json_close(&json);
    worker_send(socket, buf_str(&text));
}

void worker_send_error(struct worker_socket *socket, int err, const char *detail)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "error");
    json_add_text(&json, "code", error_word(err));
    json_add_text(&json, "error", detail);
    json_close(&json);
    worker_send(socket, buf_str(&text));
}

void worker_send_alive(struct worker_socket *socket, int64_t at)
{
    char text[64];
    snprintf(text, sizeof(text), "{\"type\":\"alive\",\"at\":%lld}", (long long)at);
    worker_send(socket, str_of(text));
}

// Written by hand: at full load nothing is sent more often.
void worker_flush(struct deferred *deferred)
{
    struct worker_socket *socket = CONTAINER_OF(deferred, struct worker_socket, flush);
    CLEANUP(buf_release) struct buf text = {0};
    if (socket->ack_count == 0)
        return;
    buf_append_text(&text, "{\"type\":\"acks\",\"acks\":[");
    for (size_t i = 0; i < socket->ack_count; i++) {
        buf_append_text(&text, i > 0 ? ",[" : "[");
        buf_append_u64(&text, socket->acks[i].stream);
        buf_append_byte(&text, ',');
        buf_append_i64(&text, (int64_t)socket->acks[i].next - 1);
        buf_append_byte(&text, ']');
    }
    buf_append_text(&text, "]}");
    socket->ack_count = 0;
    ws_send(socket->ws, WS_TEXT, text.data, text.len);
}

void worker_ack_due(struct worker_socket *socket, uint32_t number, uint64_t next)
{
    if (socket->ack_count == socket->ack_capacity) {
        socket->ack_capacity = MAX((size_t)64, socket->ack_capacity * 2);
        socket->acks = xrealloc(socket->acks, socket->ack_capacity * sizeof(*socket->acks));
    }
    socket->acks[socket->ack_count++] = (struct worker_ack){number, next};
    loop_defer(socket->node.api->options.loop, &socket->flush);
}

void worker_busy(struct worker_stream *stream, bool busy)
{
    struct worker_socket *socket = stream->socket;
    if (stream->busy == busy)
        return;
    stream->busy = busy;
    socket->busy += busy ? 1 : -(size_t)1;
    if (socket->ws)
        ws_pause_read(socket->ws, socket->busy > 0);
}
