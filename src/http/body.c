// Bodies of requests: held until they are whole, or handed on in parts.
#include "http/http_private.h"

#include <assert.h>
#include <stdatomic.h>

// A request that cannot be taken, or whose body cannot.
void http_conn_refuse(struct http_conn *conn, int err)
{
    struct http_request *request = conn->request;
    const char *detail = NULL;
    if (request->undecodable)
        detail = "the body is not what its Content-Encoding says, or is cut off";
    else if (err == ERR_MEDIA_TYPE)
        detail = "a body may have one Content-Encoding: gzip or zstd";
    atomic_fetch_add_explicit(&conn->server->stats.refused_total, 1, memory_order_relaxed);
    http_request_disown(request);
    request->keep_alive = false;
    if (!request->id[0])
        http_request_make_id(request);
    http_conn_set_state(conn, CONN_ANSWERING);
    if (request->head_complete && conn->server->app.refused)
        conn->server->app.refused(conn->server->app.app, request, err);
    http_respond_error(request, err, detail);
}

static void begin(struct http_conn *conn, uint64_t held)
{
    static const char go_on[] = "HTTP/1.1 100 Continue\r\n\r\n";
    struct http_request *request = conn->request;
    if (request->body_announced > request->body_max) {
        http_conn_refuse(conn, ERR_TOO_LARGE);
        return;
    }
    if (!http_hold_body(request, held)) {
        http_conn_refuse(conn, ERR_OVERLOADED);
        return;
    }
    if (request->expects_go_on)
        conn_write(conn->conn, go_on, sizeof(go_on) - 1);
    http_conn_set_state(conn, CONN_BODY);
    if (http_conn_backlog(conn) > 0 || conn->peer_ended)
        loop_defer(conn->server->loop, &conn->feed);
}

void http_begin_body(struct http_conn *conn, size_t max)
{
    struct http_request *request = conn->request;
    enum http_coding coding;
    request->body_max = max;
    if (http_content_coding(http_header(request, STR("content-encoding")), &coding) < 0) {
        http_add_header(request, "Accept-Encoding", CONTENT_CODINGS_TAKEN);
        http_conn_refuse(conn, ERR_MEDIA_TYPE);
        return;
    }
    if (coding != CODING_IDENTITY)
        request->decoder = http_decoder_new(coding);
    begin(conn, request->decoder ? 0 : request->body_announced);
}

void http_read_body(struct http_request *request)
{
    http_read_body_max(request, request->conn->server->limits.body_max);
}

void http_read_body_max(struct http_request *request, size_t max)
{
    assert(request->conn->state == CONN_ANSWERING && !request->complete);
    http_begin_body(request->conn, max);
}

void http_read_body_by(struct http_request *request, uint64_t max, const struct http_body_handler *handler, void *owner)
{
    assert(request->conn->state == CONN_ANSWERING && !request->complete);
    request->body_max = max;
    request->body_handler = handler;
    request->body_owner = owner;
    begin(request->conn, 0);
}

void http_pause_body(struct http_request *request, bool paused)
{
    struct http_conn *conn = request->conn;
    if (request->body_paused == paused)
        return;
    request->body_paused = paused;
    conn->since_ms = loop_now_ms(conn->server->loop); // it was not the peer that made no progress
    if (!paused)
        loop_defer(conn->server->loop, &conn->feed);
}

void http_stop_body(struct http_request *request)
{
    request->body_handler = NULL;
    request->body_paused = false;
    if (request->conn->state == CONN_BODY)
        http_conn_set_state(request->conn, CONN_ANSWERING);
}

uint64_t http_body_length(const struct http_request *request)
{
    return request->body_announced;
}
