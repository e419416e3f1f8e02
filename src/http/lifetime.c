// The life of a connection: from state to state, from request to request, and to its end.
#include "http/http_private.h"

void http_conn_leave(struct http_conn *conn)
{
    if (--conn->busy == 0 && conn->gone)
        free(conn);
}

void http_server_tell_fewer(void *arg)
{
    struct http_server *server = arg;
    if (server->fewer)
        server->fewer(server->fewer_arg);
}

void http_conn_forget(struct http_conn *conn)
{
    struct http_server *server = conn->server;
    if (conn->counted) {
        server->count--;
        server->stats.connections--;
    } else {
        server->refused_count--;
    }
    list_remove(&conn->node);
    deferred_cancel(&conn->feed);
    http_request_free(&conn->request);
    buf_release(&conn->backlog);
    http_release_all(conn);
    conn->gone = true;
    conn->busy++;
    http_conn_leave(conn);
    if (server->count == 0)
        http_server_tell_fewer(server);
}

// Tells the application that its request is gone.
void http_request_disown(struct http_request *request)
{
    void (*aborted)(void *arg) = request->aborted;
    request->aborted = NULL;
    if (aborted)
        aborted(request->aborted_arg);
}

void http_stream_free(struct http_stream *stream)
{
    if (stream->encoder)
        stream->conn->server->encoders--;
    http_encoder_free(&stream->encoder);
    deferred_cancel(&stream->flush);
    buf_release(&stream->copied);
    free(stream);
}

void http_conn_abandon(struct http_conn *conn, int err)
{
    struct http_stream *stream = TAKE_PTR(conn->stream);
    struct http_request *request = conn->request;
    conn->busy++;
    if (stream) {
        deferred_cancel(&stream->flush);
        stream->handler->closed(stream->owner, err);
        http_stream_free(stream);
    } else if (request) {
        http_request_disown(request);
    }
    log_debug(conn->server->app.logger, "connection closed", LOG_S("peer", conn_peer(conn->conn)), LOG_I("error", err));
    conn_free(&conn->conn);
    http_conn_forget(conn);
    http_conn_leave(conn);
}

void http_conn_end(struct http_conn *conn)
{
    conn->state = CONN_ENDING;
    buf_release(&conn->backlog);
    conn->backlog_at = 0;
    conn_shutdown(conn->conn);
}

void http_conn_set_state(struct http_conn *conn, enum http_state state)
{
    conn->state = state;
    conn->since_ms = loop_now_ms(conn->server->loop);
}

size_t http_conn_backlog(const struct http_conn *conn)
{
    return conn->backlog.len - conn->backlog_at;
}

struct str http_conn_early_bytes(struct http_conn *conn)
{
    if (conn->rest.data)
        return conn->rest;
    return str_n(conn->backlog.data + conn->backlog_at, http_conn_backlog(conn));
}

bool http_keeps_alive(const struct http_request *request)
{
    return request->keep_alive && request->complete && !request->conn->server->draining;
}

void http_conn_answered(struct http_conn *conn)
{
    struct http_request *request = conn->request;
    log_info(conn->server->app.logger, "request", LOG_S("method", request->method_text), LOG_STR("path", request->path),
             LOG_I("status", request->status),
             LOG_I("duration_ms", loop_now_ms(conn->server->loop) - request->start_ms),
             LOG_S("request_id", request->id), LOG_S("peer", http_peer(request)));
    bool keep_alive = http_keeps_alive(request);
    http_request_free(&conn->request);
    (void)http_hold_input(conn); // cannot fail, because it holds less than before
    if (!keep_alive) {
        http_conn_end(conn);
        return;
    }
    http_conn_set_state(conn, CONN_WAITING);
    if (http_conn_backlog(conn) > 0 || conn->peer_ended)
        loop_defer(conn->server->loop, &conn->feed);
}
