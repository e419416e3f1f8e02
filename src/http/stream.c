// Streamed answers and upgrades.
#include "http/http_private.h"

#include <assert.h>

static void write_chunk_head(struct http_stream *stream, size_t len)
{
    char head[24];
    int head_len = snprintf(head, sizeof(head), "%zx\r\n", len);
    conn_write(stream->conn->conn, head, (size_t)head_len);
}

static void write_chunk(struct http_stream *stream, const void *data, size_t len)
{
    if (len == 0)
        return;
    if (stream->chunked)
        write_chunk_head(stream, len);
    conn_write(stream->conn->conn, data, len);
    if (stream->chunked)
        conn_write(stream->conn->conn, "\r\n", 2);
}

static void write_encoded(struct http_stream *stream, const void *data, size_t len, bool last)
{
    CLEANUP(buf_release) struct buf encoded = {0};
    http_encoder_write(stream->encoder, data, len, &encoded);
    if (last)
        http_encoder_finish(stream->encoder, &encoded);
    write_chunk(stream, encoded.data, encoded.len);
}

static void write_copied(struct http_stream *stream)
{
    size_t len = stream->copied.len;
    if (len == 0)
        return;
    if (stream->encoder)
        write_encoded(stream, stream->copied.data, len, false);
    else
        write_chunk(stream, stream->copied.data, len);
    if (stream->copied.cap > LOOP_SCRATCH_SIZE)
        buf_release(&stream->copied);
    else
        buf_reset(&stream->copied);
}

static void on_flush(struct deferred *deferred)
{
    struct http_stream *stream = CONTAINER_OF(deferred, struct http_stream, flush);
    struct http_conn *conn = stream->conn;
    conn->busy++;
    write_copied(stream);
    // An encoder may keep all of it for now. Then no socket will say that it was taken.
    if (stream->encoder && conn_pending(conn->conn) == 0 && stream->handler->drained)
        stream->handler->drained(stream->owner);
    http_conn_leave(conn);
}

static struct http_conn *stream_close(struct http_stream **stream_ptr)
{
    struct http_stream *stream = TAKE_PTR(*stream_ptr);
    struct http_conn *conn = stream->conn;
    conn->stream = NULL;
    http_stream_free(stream);
    return conn;
}

// Keeps only what the log line at the end needs, because a follower may stay for days and there are thousands.
static void forget_details(struct http_request *request)
{
    struct buf path = {0};
    buf_append_str(&path, request->path);
    buf_release(&request->head);
    request->head = path;
    request->path = buf_str(&path);
    request->query = request->authority = request->told_host = (struct str){0};
    request->header_count = request->header_cap = 0;
    free(TAKE_PTR(request->headers));
    arena_release(&request->arena);
    buf_release(&request->body);
    request->added = NULL;
    request->added_end = &request->added;
}

struct http_stream *http_stream_begin(struct http_request *request, int status, const char *content_type,
                                      const struct http_stream_handler *handler, void *owner)
{
    http_take_coding(request, status, SIZE_MAX);
    return http_stream_begin_encoded(request, status, content_type, handler, owner);
}

static struct http_stream *stream_new(struct http_request *request, int status,
                                      const struct http_stream_handler *handler, void *owner)
{
    struct http_stream *stream = xcalloc(1, sizeof(*stream));
    stream->conn = request->conn;
    stream->handler = handler;
    stream->owner = owner;
    deferred_init(&stream->flush, on_flush);
    stream->discard = request->method == HTTP_M_HEAD || !http_status_has_body(status);
    return stream;
}

static void stream_start(struct http_stream *stream, int status, const char *content_type, const char *framing)
{
    struct http_conn *conn = stream->conn;
    http_write_head(conn->request, status, content_type, framing);
    forget_details(conn->request);
    conn->stream = stream;
    conn->state = CONN_STREAMING;
    conn->since_ms = loop_now_ms(conn->server->loop);
}

struct http_stream *http_stream_begin_encoded(struct http_request *request, int status, const char *content_type,
                                              const struct http_stream_handler *handler, void *owner)
{
    struct http_stream *stream = stream_new(request, status, handler, owner);
    bool has_body = http_status_has_body(status);
    if (request->coding != CODING_IDENTITY)
        stream->encoder = http_encoder_new(request->coding);
    stream->chunked = has_body && !request->http_10;
    if (has_body && request->http_10)
        request->keep_alive = false;
    stream_start(stream, status, content_type, stream->chunked ? "Transfer-Encoding: chunked\r\n" : "");
    return stream;
}

struct http_stream *http_stream_begin_sized(struct http_request *request, int status, const char *content_type,
                                            uint64_t len, const struct http_stream_handler *handler, void *owner)
{
    char framing[48];
    struct http_stream *stream = stream_new(request, status, handler, owner);
    stream->sized = true;
    stream->left = len;
    snprintf(framing, sizeof(framing), "Content-Length: %llu\r\n", (unsigned long long)len);
    stream_start(stream, status, content_type, framing);
    return stream;
}

// What is longer than was announced would be taken for the next answer.
static void stream_count(struct http_stream *stream, size_t len)
{
    assert(!stream->sized || len <= stream->left);
    stream->left -= stream->sized ? len : 0;
}

void http_respond_stream_head(struct http_request *request, int status, const char *content_type)
{
    struct http_stream *stream = http_stream_begin(request, status, content_type, NULL, NULL);
    http_stream_end(&stream);
}

void http_stream_write(struct http_stream *stream, const void *data, size_t len)
{
    if (stream->discard || len == 0)
        return;
    stream_count(stream, len);
    buf_append(&stream->copied, data, len);
    loop_defer(stream->conn->server->loop, &stream->flush);
}

void http_stream_write_payload(struct http_stream *stream, struct payload *payload, size_t offset, size_t len)
{
    if (stream->discard || len == 0)
        return;
    stream_count(stream, len);
    write_copied(stream);
    if (stream->encoder) {
        write_encoded(stream, payload->data + offset, len, false);
        return;
    }
    if (stream->chunked)
        write_chunk_head(stream, len);
    conn_write_payload(stream->conn->conn, payload, offset, len);
    if (stream->chunked)
        conn_write(stream->conn->conn, "\r\n", 2);
}

void http_stream_unshare(struct http_stream *stream)
{
    conn_unshare(stream->conn->conn);
}

size_t http_stream_pending(const struct http_stream *stream)
{
    return stream->copied.len + conn_pending(stream->conn->conn);
}

void http_stream_end(struct http_stream **stream_ptr)
{
    struct http_stream *stream = *stream_ptr;
    if (!stream)
        return;
    if (stream->sized && stream->left > 0 && !stream->discard) {
        http_stream_abort(stream_ptr);
        return;
    }
    write_copied(stream);
    if (stream->encoder && !stream->discard)
        write_encoded(stream, NULL, 0, true);
    if (stream->chunked && !stream->discard)
        conn_write(stream->conn->conn, "0\r\n\r\n", 5);
    http_conn_answered(stream_close(stream_ptr));
}

void http_stream_abort(struct http_stream **stream_ptr)
{
    struct http_stream *stream = *stream_ptr;
    if (!stream)
        return;
    write_copied(stream);
    http_conn_end(stream_close(stream_ptr));
}

struct conn *http_upgrade(struct http_request *request, struct buf *ret_early_bytes)
{
    struct http_conn *conn = request->conn;
    http_write_head(request, 101, NULL, "");
    log_info(conn->server->app.logger, "request", LOG_S("method", request->method_text), LOG_STR("path", request->path),
             LOG_I("status", 101), LOG_S("request_id", request->id), LOG_S("peer", http_peer(request)));
    buf_append_str(ret_early_bytes, http_conn_early_bytes(conn));
    struct conn *upgraded = TAKE_PTR(conn->conn);
    conn_pause_read(upgraded, false);
    http_conn_forget(conn);
    return upgraded;
}
