// The head of an answer.
#include "http/http_private.h"
#include "util/clock.h"

#include <assert.h>
#include <stdatomic.h>

#define COMPRESS_MIN ((size_t)1024)

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

// The time, formatted once a second for all answers. It is English in every locale.
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

// Copies a header of the request into the answer, unless it holds a byte that an answer must not hold.
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

// An encoded answer is equivalent but not the same byte by byte. A strong entity tag would promise that, so it is made
// weak.
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

static void tell_answered(const struct http_request *request, int status)
{
    const struct http_app *app = &request->conn->server->app;
    if (app->answered)
        app->answered(app->app, request->tag, status, clock_mono_ns() - request->start_ns);
}

void http_set_tag(struct http_request *request, unsigned tag)
{
    request->tag = tag;
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
    tell_answered(request, status);
}
