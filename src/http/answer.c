#include "http/http_private.h"
#include "util/json_writer.h"

#include <assert.h>

#define SLICE        ((size_t)128 * 1024) // how much is encoded before others have their turn
#define SLICES_AHEAD ((size_t)256 * 1024) // bytes that wait for the socket before more are encoded

// From this size on, the body gets its own copy. A buffer would double to make room for it.
#define SHARED_MIN ((size_t)64 * 1024)

static void write_body(struct conn *conn, const void *body, size_t len)
{
    if (len < SHARED_MIN) {
        conn_write(conn, body, len);
        return;
    }
    struct payload *payload = payload_new(body, len);
    conn_write_payload(conn, payload, 0, len);
    payload_unref(&payload);
}

// --- A body that is encoded slice by slice. Encoded in one step, it would hold up the loop.

struct sliced {
    struct http_stream *stream;
    struct payload *body;
    size_t at;
    struct deferred next;
};

static void sliced_free(struct sliced *sliced)
{
    deferred_cancel(&sliced->next);
    payload_unref(&sliced->body);
    free(sliced);
}

static void sliced_next(struct deferred *deferred)
{
    struct sliced *sliced = CONTAINER_OF(deferred, struct sliced, next);
    struct http_conn *conn = sliced->stream->conn;
    size_t len = MIN(SLICE, sliced->body->len - sliced->at);
    http_stream_write_payload(sliced->stream, sliced->body, sliced->at, len);
    sliced->at += len;
    if (sliced->at == sliced->body->len) {
        struct http_stream *stream = TAKE_PTR(sliced->stream);
        sliced_free(sliced);
        conn->keeps_output = false;
        http_stream_end(&stream);
    } else if (http_stream_pending(sliced->stream) < SLICES_AHEAD) {
        loop_defer(conn->server->loop, &sliced->next);
    }
}

static void sliced_drained(void *owner)
{
    struct sliced *sliced = owner;
    loop_defer(sliced->stream->conn->server->loop, &sliced->next);
}

static void sliced_closed(void *owner, int err)
{
    (void)err;
    sliced_free(owner);
}

static const struct http_stream_handler sliced_handler = {sliced_drained, sliced_closed};

static void respond_sliced(struct http_request *request, int status, const char *content_type, const void *body,
                           size_t len)
{
    struct http_conn *conn = request->conn;
    struct sliced *sliced = xcalloc(1, sizeof(*sliced));
    deferred_init(&sliced->next, sliced_next);
    sliced->body = payload_new(body, len);
    conn->keeps_output = true;
    sliced->stream = http_stream_begin_encoded(request, status, content_type, &sliced_handler, sliced);
    loop_defer(conn->server->loop, &sliced->next);
}

// The caller has taken the place among the encoders.
static void respond_encoded(struct http_request *request, int status, const char *content_type, const void *body,
                            size_t len)
{
    struct http_conn *conn = request->conn;
    bool head_only = request->method == HTTP_M_HEAD;
    CLEANUP(buf_release) struct buf encoded = {0};
    if (!head_only && len > SLICE) {
        respond_sliced(request, status, content_type, body, len);
        return;
    }
    char framing[48] = ""; // for HEAD, the length is not worth the work of encoding
    if (!head_only) {
        struct http_encoder *encoder = http_encoder_new(request->coding);
        http_encoder_write(encoder, body, len, &encoded);
        http_encoder_finish(encoder, &encoded);
        http_encoder_free(&encoder);
        snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", encoded.len);
    }
    conn->server->encoders--;
    http_write_head(request, status, content_type, framing);
    if (!head_only)
        conn_write(conn->conn, encoded.data, encoded.len);
    http_conn_answered(conn);
}

void http_respond(struct http_request *request, int status, const char *content_type, const void *body, size_t len)
{
    struct http_conn *conn = request->conn;
    assert(conn->state == CONN_ANSWERING && conn->request == request);
    if (status < 400 && request->method != HTTP_M_HEAD && !http_hold_answer(request, len)) {
        http_respond_error(request, ERR_OVERLOADED, NULL);
        return;
    }
    if (http_take_coding(request, status, len) != CODING_IDENTITY) {
        respond_encoded(request, status, content_type, body, len);
        return;
    }
    char framing[48] = "";
    if (http_status_has_body(status))
        snprintf(framing, sizeof(framing), "Content-Length: %zu\r\n", len);
    http_write_head(request, status, content_type, framing);
    if (http_status_has_body(status) && request->method != HTTP_M_HEAD)
        write_body(conn->conn, body, len);
    http_conn_answered(conn);
}

static void add_fields(struct json_writer *json, const struct http_field_error *fields, size_t count)
{
    if (count == 0)
        return;
    json_open_array(json, "fields");
    for (size_t i = 0; i < count; i++) {
        json_open_object(json, NULL);
        json_add_text(json, "name", fields[i].name);
        json_add_text(json, "reason", fields[i].reason);
        json_close(json);
    }
    json_close(json);
}

struct error_more { // of an error's answer
    const struct http_field_error *fields;
    size_t field_count;
    void (*add)(void *arg, struct json_writer *json); // or NULL
    void *arg;
};

static void respond_error(struct http_request *request, int err, const char *message, const struct error_more *more)
{
    int status = error_http_status(err);
    if (status == 401 && !http_header_added(request, "WWW-Authenticate"))
        http_add_header(request, "WWW-Authenticate", "Bearer");
    if ((status == 429 || status == 503) && !http_header_added(request, "Retry-After"))
        http_add_header(request, "Retry-After", "1");
    CLEANUP(buf_release) struct buf body = {0};
    struct json_writer json = json_writer_to(&body);
    json_open_object(&json, NULL);
    json_open_object(&json, "error");
    json_add_text(&json, "code", error_word(err));
    json_add_text(&json, "message", message);
    json_add_text(&json, "request_id", request->id);
    add_fields(&json, more->fields, more->field_count);
    json_close(&json);
    if (more->add)
        more->add(more->arg, &json);
    json_close(&json);
    json_writer_end(&json);
    http_respond(request, status, "application/json", body.data, body.len);
}

static void tell_failed(const struct http_request *request, int err)
{
    const struct http_app *app = &request->conn->server->app;
    if (app->failed)
        app->failed(app->app, err);
}

void http_respond_error(struct http_request *request, int err, const char *detail)
{
    tell_failed(request, err);
    respond_error(request, err, detail ? detail : error_text(err), &(struct error_more){0});
}

void http_respond_error_with(struct http_request *request, int err, const char *detail,
                             void (*add)(void *arg, struct json_writer *json), void *arg)
{
    tell_failed(request, err);
    respond_error(request, err, detail ? detail : error_text(err), &(struct error_more){.add = add, .arg = arg});
}

void http_respond_invalid(struct http_request *request, const struct http_field_error *fields, size_t count)
{
    tell_failed(request, ERR_INVALID);
    respond_error(request, ERR_INVALID, error_text(ERR_INVALID),
                  &(struct error_more){.fields = fields, .field_count = count});
}
