#include "http/http_private.h"
#include "util/clock.h"

#include <assert.h>
#include <stdatomic.h>

#define COMPRESS_MIN ((size_t)1024)
#define SLICE        ((size_t)128 * 1024) // that is encoded before others have their turn
#define SLICES_AHEAD ((size_t)256 * 1024) // bytes that wait for the socket before more are encoded

static const struct {
    int status;
    const char *text;
} status_texts[] = {
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {303, "See Other"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Client Closed Request"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {503, "Service Unavailable"},
    {507, "Insufficient Storage"},
};

static const char *status_text(int status)
{
    for (size_t i = 0; i < ARRAY_LEN(status_texts); i++) {
        if (status_texts[i].status == status)
            return status_texts[i].text;
    }
    return "Status";
}

bool http_status_has_body(int status)
{
    return status >= 200 && status != 204 && status != 304;
}

void http_add_header(struct http_request *request, const char *name, const char *value)
{
    assert(!strpbrk(name, "\r\n") && !strpbrk(value, "\r\n"));
    struct added_header *added = arena_alloc(&request->arena, sizeof(*added));
    added->name = arena_dup(&request->arena, str_of(name));
    added->value = arena_dup(&request->arena, str_of(value));
    *request->added_end = added;
    request->added_end = &added->next;
}

void http_may_compress(struct http_request *request)
{
    request->may_compress = true;
}

enum http_coding http_take_coding(struct http_request *request, int status, size_t len)
{
    struct http_server *server = request->conn->server;
    if (!request->may_compress || status != 200 || len < COMPRESS_MIN || server->encoders >= ENCODERS_MAX)
        return CODING_IDENTITY;
    request->coding = http_coding_of(http_header(request, STR("accept-encoding")));
    if (request->coding != CODING_IDENTITY)
        server->encoders++;
    return request->coding;
}

bool http_header_added(const struct http_request *request, const char *name)
{
    for (const struct added_header *added = request->added; added; added = added->next) {
        if (str_eq_nocase(str_of(added->name), str_of(name)))
            return true;
    }
    return false;
}

// The time by the second, spelled once for all answers of it; in English whatever the locale.
static const char *http_date(struct http_server *server)
{
    static const char days[] = "SunMonTueWedThuFriSat", months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    int64_t now = clock_real_ms() / 1000;
    if (now == server->date_s)
        return server->date;
    time_t seconds = (time_t)now;
    struct tm parts;
    gmtime_r(&seconds, &parts);
    snprintf(server->date, sizeof(server->date), "%.3s, %02u %.3s %04u %02u:%02u:%02u GMT", days + 3 * parts.tm_wday,
             (unsigned)parts.tm_mday % 100, months + 3 * parts.tm_mon, (unsigned)(parts.tm_year + 1900) % 10000,
             (unsigned)parts.tm_hour % 100, (unsigned)parts.tm_min % 100, (unsigned)parts.tm_sec % 100);
    server->date_s = now;
    return server->date;
}

static void write_header(struct buf *out, const char *name, struct str value)
{
    buf_append_text(out, name);
    buf_append(out, ": ", 2);
    buf_append_str(out, value);
    buf_append(out, "\r\n", 2);
}

// Passes a header of the request on, unless it holds what has no place in an answer.
static void echo_header(struct http_request *request, struct buf *out, const char *name)
{
    if (!request->head_complete)
        return;
    struct str value = http_header(request, str_of(name));
    if (value.len == 0 || value.len > REQUEST_ID_MAX)
        return;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < ' ' || value.data[i] > '~')
            return;
    }
    write_header(out, name, value);
}

// Encoded, an answer is the same but not byte by byte, which its entity tag must not promise.
static void write_added(const struct http_request *request, struct buf *out, const struct added_header *added)
{
    bool weakened = request->coding != CODING_IDENTITY && strcmp(added->name, "ETag") == 0 && added->value[0] == '"';
    if (!weakened) {
        write_header(out, added->name, str_of(added->value));
        return;
    }
    buf_append_text(out, "ETag: W/");
    buf_append_text(out, added->value);
    buf_append(out, "\r\n", 2);
}

void http_write_head(struct http_request *request, int status, const char *content_type, const char *framing)
{
    struct http_server *server = request->conn->server;
    struct buf *out = &server->out;
    request->status = status;
    atomic_fetch_add_explicit(&server->stats.requests_total, 1, memory_order_relaxed);
    buf_reset(out);
    buf_append_text(out, "HTTP/1.1 ");
    buf_append_u64(out, (uint64_t)status);
    buf_append_byte(out, ' ');
    buf_append_text(out, status_text(status));
    buf_append(out, "\r\n", 2);
    if (content_type)
        write_header(out, "Content-Type", str_of(content_type));
    buf_append_text(out, framing);
    write_header(out, "X-Request-ID", str_of(request->id));
    echo_header(request, out, "X-Trace-ID");
    echo_header(request, out, "traceparent");
    for (const struct added_header *added = request->added; added; added = added->next)
        write_added(request, out, added);
    if (request->may_compress)
        buf_append_text(out, "Vary: Accept-Encoding\r\n");
    if (request->coding != CODING_IDENTITY)
        write_header(out, "Content-Encoding", str_of(http_coding_name(request->coding)));
    write_header(out, "Date", str_of(http_date(server)));
    if (status != 101 && !http_header_added(request, "Cache-Control"))
        buf_append_text(out, "Cache-Control: no-store\r\n");
    buf_append_text(out, "X-Content-Type-Options: nosniff\r\n");
    if (status == 101)
        buf_append_text(out, "\r\n");
    else if (!http_keeps_alive(request))
        buf_append_text(out, "Connection: close\r\n\r\n");
    else
        buf_append_text(out, request->http_10 ? "Connection: keep-alive\r\n\r\n" : "\r\n");
    conn_write(request->conn->conn, out->data, out->len);
}

#define SHARED_MIN ((size_t)64 * 1024) // from which a copy of its own is better than room in the buffer, which doubles

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

// --- A body that is encoded slice by slice, as it would hold up the loop in one

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

// The place among the encoders is taken.
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
    char framing[48] = ""; // for HEAD the length is not worth finding out
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

static void respond_error(struct http_request *request, int status, const char *word, const char *message,
                          const struct http_field_error *fields, size_t count)
{
    if (status == 401 && !http_header_added(request, "WWW-Authenticate"))
        http_add_header(request, "WWW-Authenticate", "Bearer");
    if ((status == 429 || status == 503) && !http_header_added(request, "Retry-After"))
        http_add_header(request, "Retry-After", "1");
    CLEANUP(buf_release) struct buf body = {0};
    buf_append_text(&body, "{\"error\":{\"code\":");
    buf_append_json_string(&body, str_of(word));
    buf_append_text(&body, ",\"message\":");
    buf_append_json_string(&body, str_of(message));
    buf_append_text(&body, ",\"request_id\":");
    buf_append_json_string(&body, str_of(request->id));
    for (size_t i = 0; i < count; i++) {
        buf_append_text(&body, i == 0 ? ",\"fields\":[{\"name\":" : ",{\"name\":");
        buf_append_json_string(&body, str_of(fields[i].name));
        buf_append_text(&body, ",\"reason\":");
        buf_append_json_string(&body, str_of(fields[i].reason));
        buf_append_text(&body, i + 1 == count ? "}]" : "}");
    }
    buf_append_text(&body, "}}");
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
    respond_error(request, error_http_status(err), error_word(err), detail ? detail : error_text(err), NULL, 0);
}

void http_respond_error_as(struct http_request *request, int status, const char *word, const char *message)
{
    respond_error(request, status, word, message, NULL, 0);
}

void http_respond_invalid(struct http_request *request, const struct http_field_error *fields, size_t count)
{
    tell_failed(request, ERR_INVALID);
    respond_error(request, error_http_status(ERR_INVALID), error_word(ERR_INVALID), error_text(ERR_INVALID), fields,
                  count);
}
