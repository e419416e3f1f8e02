// Turns the parser's callbacks into a request, and makes the checks that the parser does not make.
#include "http/forwarded.h"
#include "http/http_private.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/map.h"

struct http_request *http_request_new(struct http_conn *conn)
{
    struct http_request *request = xcalloc(1, sizeof(*request));
    request->conn = conn;
    request->method = HTTP_M_OTHER;
    request->method_text = "";
    request->added_end = &request->added;
    request->start_ms = loop_now_ms(conn->server->loop);
    request->start_ns = clock_mono_ns();
    return request;
}

void http_request_free(struct http_request **request_ptr)
{
    struct http_request *request = *request_ptr;
    if (!request)
        return;
    *request_ptr = NULL;
    arena_release(&request->arena);
    free(request->headers);
    buf_release(&request->head);
    buf_release(&request->body);
    buf_release(&request->coded);
    http_decoder_free(&request->decoder);
    free(request);
}

static struct http_request *request_of(llhttp_t *parser)
{
    return ((struct http_conn *)parser->data)->request;
}

static int refuse(llhttp_t *parser, int err)
{
    ((struct http_conn *)parser->data)->refusal = err;
    return HPE_USER;
}

static int on_url(llhttp_t *parser, const char *data, size_t len)
{
    struct http_request *request = request_of(parser);
    buf_append(&request->head, data, len);
    request->url_len += len;
    return 0;
}

static void add_header_span(struct http_request *request)
{
    if (request->header_count == request->header_cap) {
        request->header_cap = request->header_cap ? request->header_cap * 2 : 16;
        request->headers = xrealloc(request->headers, request->header_cap * sizeof(request->headers[0]));
    }
    request->headers[request->header_count++] = (struct header_span){.name_at = request->head.len};
}

static int on_header_field(llhttp_t *parser, const char *data, size_t len)
{
    struct http_request *request = request_of(parser);
    if (request->head_complete) // a trailer; no application asks for trailers
        return 0;
    if (request->in_value || request->header_count == 0) {
        if (request->header_count == HEADERS_COUNT_MAX)
            return refuse(parser, ERR_HEADERS_TOO_LARGE);
        add_header_span(request);
        request->in_value = false;
    }
    buf_append(&request->head, data, len);
    request->headers[request->header_count - 1].name_len += len;
    return 0;
}

static int on_header_field_complete(llhttp_t *parser)
{
    struct http_request *request = request_of(parser);
    if (request->head_complete)
        return 0;
    request->headers[request->header_count - 1].value_at = request->head.len;
    request->in_value = true;
    return 0;
}

static int on_header_value(llhttp_t *parser, const char *data, size_t len)
{
    struct http_request *request = request_of(parser);
    if (request->head_complete)
        return 0;
    buf_append(&request->head, data, len);
    request->headers[request->header_count - 1].value_len += len;
    return 0;
}

// --- Checks of a complete head

static bool is_hex(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool url_valid(struct str url)
{
    for (size_t i = 0; i < url.len; i++) {
        char c = url.data[i];
        if (c == '#' || c <= ' ' || c == 0x7f)
            return false;
        if (c == '%' && (url.len - i < 3 || !is_hex(url.data[i + 1]) || !is_hex(url.data[i + 2])))
            return false;
    }
    return url.len > 0;
}

// The path of "/path?query", "http://host/path?query" and "*". False for another form.
static bool split_url(struct http_request *request)
{
    struct str url = {request->head.data, request->url_len};
    struct str schemes[] = {STR("http://"), STR("https://")};
    for (size_t i = 0; i < ARRAY_LEN(schemes); i++) {
        size_t len = schemes[i].len;
        if (url.len < len || !str_eq_nocase(str_n(url.data, len), schemes[i]))
            continue;
        size_t start = len;
        while (len < url.len && url.data[len] != '/' && url.data[len] != '?')
            len++;
        request->authority = str_n(url.data + start, len - start);
        url = str_n(url.data + len, url.len - len);
        break;
    }
    bool asterisk = request->method == HTTP_M_OPTIONS && str_eq(url, STR("*"));
    if (!request->authority.data && !asterisk && (url.len == 0 || url.data[0] != '/'))
        return false;
    request->query = url;
    request->path = str_split(&request->query, '?');
    if (request->path.len == 0)
        request->path = STR("/");
    return true;
}

static bool host_valid(struct str host)
{
    for (size_t i = 0; i < host.len; i++) {
        char c = host.data[i];
        if (c <= ' ' || c >= 0x7f || strchr("/\\@,?#\"<>^`{|}", c))
            return false;
    }
    return true;
}

static struct str span_name(const struct http_request *request, size_t i)
{
    return str_n(request->head.data + request->headers[i].name_at, request->headers[i].name_len);
}

static struct str span_value(const struct http_request *request, size_t i)
{
    return str_trim(str_n(request->head.data + request->headers[i].value_at, request->headers[i].value_len));
}

static int check_hosts(const struct http_request *request)
{
    unsigned count = 0;
    for (size_t i = 0; i < request->header_count; i++) {
        if (!str_eq_nocase(span_name(request, i), STR("host")))
            continue;
        if (++count > 1 || !host_valid(span_value(request, i)))
            return ERR_MALFORMED;
    }
    if (request->authority.data && (request->authority.len == 0 || !host_valid(request->authority)))
        return ERR_MALFORMED;
    return count == 0 && !request->http_10 ? ERR_MALFORMED : 0;
}

// Takes what a trusted peer tells about its client.
static int take_forwarded(struct http_request *request)
{
    const struct http_conn *conn = request->conn;
    struct forwarded forwarded;
    if (!conn->trusted)
        return 0;
    struct forwarded_headers headers = {
        .forwarded = http_header(request, STR("forwarded")),
        .x_for = http_header(request, STR("x-forwarded-for")),
        .x_proto = http_header(request, STR("x-forwarded-proto")),
        .x_host = http_header(request, STR("x-forwarded-host")),
    };
    int err = forwarded_read(&headers, conn->server->trusted, &forwarded);
    if (err < 0)
        return err;
    request->client_told = forwarded.has_client;
    request->client = forwarded.client;
    net_address_format(&forwarded.client, request->client_text);
    request->told_https = conn->https;
    if (forwarded.proto.data)
        request->told_https = str_eq_nocase(forwarded.proto, STR("https"));
    request->told_host = forwarded.host;
    return forwarded.host.data && !host_valid(forwarded.host) ? ERR_MALFORMED : 0;
}

static enum http_method method_of(uint8_t method)
{
    static const struct {
        enum llhttp_method theirs;
        enum http_method ours;
    } methods[] = {
        {HTTP_GET, HTTP_M_GET},         {HTTP_HEAD, HTTP_M_HEAD},   {HTTP_POST, HTTP_M_POST},
        {HTTP_PUT, HTTP_M_PUT},         {HTTP_PATCH, HTTP_M_PATCH}, {HTTP_DELETE, HTTP_M_DELETE},
        {HTTP_OPTIONS, HTTP_M_OPTIONS},
    };
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        if (methods[i].theirs == method)
            return methods[i].ours;
    }
    return HTTP_M_OTHER;
}

static bool id_valid(struct str id)
{
    if (id.len < 1 || id.len > REQUEST_ID_MAX)
        return false;
    for (size_t i = 0; i < id.len; i++) {
        char c = id.data[i];
        bool fine = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
                    c == '_' || c == '-';
        if (!fine)
            return false;
    }
    return true;
}

void http_request_make_id(struct http_request *request)
{
    struct str given = request->head_complete ? http_header(request, STR("x-request-id")) : (struct str){0};
    if (id_valid(given)) {
        memcpy(request->id, given.data, given.len);
        return;
    }
    char made[ID_SORTABLE_LEN + 1];
    // Every request needs an id, and it is no secret. A hash of a counter is good enough, and needs no system call.
    struct http_server *server = request->conn->server;
    uint64_t noise[2];
    for (size_t i = 0; i < ARRAY_LEN(noise); i++) {
        server->ids_made++;
        noise[i] = siphash(server->id_seed, &server->ids_made, sizeof(server->ids_made));
    }
    id_sortable_from(clock_real_ms(), (const uint8_t *)noise, made);
    memcpy(request->id, "req_", 4);
    memcpy(request->id + 4, made, sizeof(made));
}

static int check_framing(const struct http_request *request, const llhttp_t *parser)
{
    struct str coding = http_header(request, STR("transfer-encoding"));
    bool coded = coding.data != NULL;
    bool counted = parser->flags & F_CONTENT_LENGTH;
    // A body with two ways to find its end could make us and a proxy disagree about where the next request starts.
    if (coded && (counted || request->http_10 || !str_eq_nocase(coding, STR("chunked"))))
        return ERR_MALFORMED;
    return 0;
}

static int on_headers_complete(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    struct http_request *request = conn->request;
    request->head_complete = true;
    request->method = method_of(parser->method);
    request->method_text = llhttp_method_name(parser->method);
    request->http_10 = parser->http_minor == 0;
    request->keep_alive = llhttp_should_keep_alive(parser);
    parser->upgrade = 0; // Only the application grants an upgrade. Until then the request is treated as any other.
    http_request_make_id(request);
    if (parser->http_major != 1 || parser->http_minor > 1 || !url_valid(str_n(request->head.data, request->url_len)) ||
        !split_url(request))
        return refuse(parser, ERR_MALFORMED);
    int err = check_hosts(request);
    if (!err)
        err = take_forwarded(request);
    if (!err)
        err = check_framing(request, parser);
    if (err)
        return refuse(parser, err);
    request->chunked = parser->flags & F_CHUNKED;
    request->body_announced = request->chunked ? 0 : parser->content_length;
    bool has_body = request->chunked || parser->content_length > 0;
    request->expects_go_on =
        has_body && !request->http_10 && str_eq_nocase(http_header(request, STR("expect")), STR("100-continue"));
    return 0;
}

static int on_body(llhttp_t *parser, const char *data, size_t len)
{
    int err = http_take_body(request_of(parser), data, len);
    return err < 0 ? refuse(parser, err) : 0;
}

// The last chunk has no bytes. Trailers follow, which get the same scan as the head.
static int on_chunk_header(llhttp_t *parser)
{
    struct http_conn *conn = parser->data;
    if (parser->content_length > conn->request->body_max - conn->request->body_len)
        return refuse(parser, ERR_TOO_LARGE);
    if (parser->content_length > 0)
        return 0;
    conn->request->trailers = true;
    conn->scan = (struct head_scan){.in_headers = true};
    return HPE_PAUSED;
}

static int on_message_complete(llhttp_t *parser)
{
    request_of(parser)->complete = true;
    return HPE_PAUSED;
}

const llhttp_settings_t http_parser_settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_field_complete = on_header_field_complete,
    .on_header_value = on_header_value,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_header = on_chunk_header,
    .on_message_complete = on_message_complete,
};

// --- What the application sees of a request

struct str http_header(const struct http_request *request, struct str name)
{
    struct str found = {0};
    for (size_t i = 0; i < request->header_count; i++) {
        if (!str_eq_nocase(span_name(request, i), name))
            continue;
        struct str value = span_value(request, i);
        if (!found.data) {
            found = value;
            continue;
        }
        // `const` does not cover the arena: the joined value is a copy of what is there.
        struct arena *arena = (struct arena *)&request->arena;
        const char *joined = arena_printf(arena, "%.*s, %.*s", STR_ARGS(found), STR_ARGS(value));
        found = str_of(joined);
    }
    return found;
}

enum http_method http_method(const struct http_request *request)
{
    return request->method;
}

bool http_is_1_0(const struct http_request *request)
{
    return request->http_10;
}

struct str http_path(const struct http_request *request)
{
    return request->path;
}

struct str http_query(const struct http_request *request)
{
    return request->query;
}

struct str http_body(const struct http_request *request)
{
    return buf_str(&request->body);
}

bool http_peer_ended(const struct http_request *request)
{
    return request->conn->peer_ended;
}

struct arena *http_arena(struct http_request *request)
{
    return &request->arena;
}

struct loop *http_loop(struct http_request *request)
{
    return request->conn->server->loop;
}

const char *http_peer(const struct http_request *request)
{
    return request->client_told ? request->client_text : conn_peer(request->conn->conn);
}

bool http_client_is_local(const struct http_request *request)
{
    return net_address_is_loopback(request->client_told ? &request->client : conn_address(request->conn->conn));
}

bool http_is_https(const struct http_request *request)
{
    const struct http_conn *conn = request->conn;
    return conn_is_tls(conn->conn) || (conn->trusted ? request->told_https : conn->https);
}

struct str http_host(const struct http_request *request)
{
    if (request->authority.data)
        return request->authority;
    return request->told_host.data ? request->told_host : http_header(request, STR("host"));
}

struct str http_request_id(const struct http_request *request)
{
    return str_of(request->id);
}

void http_on_abort(struct http_request *request, void (*aborted)(void *arg), void *arg)
{
    request->aborted = aborted;
    request->aborted_arg = arg;
}

void *http_abort_arg(const struct http_request *request)
{
    return request->aborted_arg;
}
