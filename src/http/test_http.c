#include "http/http.h"
#include "net/test_peer.h"

#include <fcntl.h>

// --- An application with one path for each way of answering

struct app {
    struct loop *loop;
    struct http_server *server;
    unsigned heads, requests, aborted, drained, stream_closed;
    struct http_request *held;
    struct http_stream *stream;
    struct deferred later; // answers `held`
    struct deferred judge; // has the body of `held` read
    struct conn *upgraded;
};

static void answer_later(struct deferred *deferred)
{
    struct app *app = CONTAINER_OF(deferred, struct app, later);
    struct http_request *request = app->held;
    app->held = NULL;
    http_respond(request, 200, "text/plain", "later", 5);
}

static void on_abort(void *arg)
{
    struct app *app = arg;
    app->aborted++;
    app->held = NULL;
}

static void on_stream_drained(void *owner)
{
    struct app *app = owner;
    app->drained++;
}

static void on_stream_closed(void *owner, int err)
{
    struct app *app = owner;
    assert_true(err < 0);
    app->stream_closed++;
    app->stream = NULL;
}

static const struct http_stream_handler stream_handler = {.drained = on_stream_drained, .closed = on_stream_closed};

static bool print_param(struct str name, struct str value, void *arg)
{
    buf_printf(arg, "[%.*s=%.*s]", STR_ARGS(name), STR_ARGS(value));
    return true;
}

static void answer_params(struct http_request *request)
{
    CLEANUP(buf_release) struct buf out = {0};
    assert_true(http_params_each(request, print_param, &out));
    struct str x = {0};
    if (http_param(request, STR("x"), &x))
        buf_printf(&out, " x is %.*s", STR_ARGS(x));
    http_respond(request, 200, "text/plain", out.data, out.len);
}

static void on_upgraded_data(void *owner, const uint8_t *data, size_t len)
{
    (void)owner, (void)data, (void)len;
}

static void on_upgraded_closed(void *owner, int err)
{
    struct app *app = owner;
    (void)err;
    conn_free(&app->upgraded);
}

static const struct conn_handler upgraded_handler = {.data = on_upgraded_data, .closed = on_upgraded_closed};

static void app_request(void *arg, struct http_request *request)
{
    struct app *app = arg;
    struct str path = http_path(request);
    app->requests++;
    if (str_eq(path, STR("/echo"))) {
        struct str body = http_body(request);
        http_respond(request, 200, "application/octet-stream", body.data, body.len);
    } else if (str_eq(path, STR("/who"))) {
        CLEANUP(buf_release) struct buf out = {0};
        buf_printf(&out, "%s %s %.*s %s", http_peer(request), http_is_https(request) ? "https" : "http",
                   STR_ARGS(http_host(request)), http_client_is_local(request) ? "local" : "remote");
        http_respond(request, 200, "text/plain", out.data, out.len);
    } else if (str_eq(path, STR("/params"))) {
        answer_params(request);
    } else if (str_eq(path, STR("/later"))) {
        app->held = request;
        http_on_abort(request, on_abort, app);
        loop_defer(app->loop, &app->later);
    } else if (str_eq(path, STR("/hold"))) {
        app->held = request;
        http_on_abort(request, on_abort, app);
    } else if (str_eq(path, STR("/stream"))) {
        app->stream = http_stream_begin(request, 200, "text/plain", &stream_handler, app);
        http_stream_write(app->stream, "one ", 4);
        http_stream_write(app->stream, "two", 3);
        http_stream_end(&app->stream);
    } else if (str_eq(path, STR("/follow")) || str_eq(path, STR("/packed"))) {
        if (str_eq(path, STR("/packed")))
            http_may_compress(request);
        app->stream = http_stream_begin(request, 200, "text/plain", &stream_handler, app);
    } else if (str_eq(path, STR("/upgrade"))) {
        CLEANUP(buf_release) struct buf early = {0};
        app->upgraded = http_upgrade(request, &early);
        conn_set_handler(app->upgraded, &upgraded_handler, app);
    } else if (str_eq(path, STR("/nothing"))) {
        http_respond(request, 204, NULL, NULL, 0);
    } else if (str_eq(path, STR("/invalid"))) {
        struct http_field_error fields[] = {{"timeout_seconds", "must be > 0"}, {"env", "is no object"}};
        http_respond_invalid(request, fields, 2);
    } else if (str_eq(path, STR("/secret"))) {
        http_respond_error(request, ERR_UNAUTHORIZED, NULL);
    } else {
        http_add_header(request, "X-Method", http_method(request) == HTTP_M_GET ? "GET" : "other");
        http_add_header(request, "X-Host", arena_dup(http_arena(request), http_host(request)));
        http_respond(request, 200, "text/plain", path.data, path.len);
    }
}

// "/refused…" is refused by its head, "/judged…" has its body read a turn later, all others at once.
static void app_head(void *arg, struct http_request *request)
{
    struct app *app = arg;
    app->heads++;
    assert_int_equal(http_body(request).len, 0);
    if (str_starts(http_path(request), STR("/refused"))) {
        http_respond_error(request, ERR_UNAUTHORIZED, NULL);
    } else if (str_starts(http_path(request), STR("/judged"))) {
        app->held = request;
        http_on_abort(request, on_abort, app);
        loop_defer(app->loop, &app->judge);
    } else {
        http_read_body(request);
    }
}

static void judge_later(struct deferred *deferred)
{
    struct app *app = CONTAINER_OF(deferred, struct app, judge);
    if (app->held)
        http_read_body(TAKE_PTR(app->held));
}

static const struct http_limits default_limits = {
    .url_max = 256,
    .headers_max = 1024,
    .body_max = 4096,
    .connections_max = 4,
    .header_timeout_ms = 60000,
    .idle_timeout_ms = 60000,
    .send_timeout_ms = 60000,
};

static void app_start(struct app *app, const struct http_limits *limits)
{
    *app = (struct app){0};
    assert_int_equal(loop_new(&app->loop), 0);
    deferred_init(&app->later, answer_later);
    deferred_init(&app->judge, judge_later);
    struct http_app interface = {.head = app_head, .request = app_request, .app = app};
    app->server = http_server_new(app->loop, &interface, limits ? limits : &default_limits, NULL);
}

static void app_stop(struct app *app)
{
    http_server_free(&app->server);
    loop_free(&app->loop);
}

static void app_connect(struct app *app, struct peer *peer)
{
    http_server_accept(app->server, &(struct http_accepted){.fd = peer_open(peer, app->loop)});
}

// --- One request, one answer

struct exchange {
    const char *name, *request;
    const char *status; // how the answer starts
    const char *holds;  // NULL: anything
    bool closes;
};

#define GET_TAIL " HTTP/1.1\r\nHost: h\r\nX-Request-ID: id\r\n"

static const struct exchange exchanges[] = {
    {"path without query", "GET /a%20b?c=d" GET_TAIL "\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n/a%20b", false},
    {"absolute form", "GET http://h:80/x?y" GET_TAIL "\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n/x", false},
    {"absolute form without a path", "GET http://h" GET_TAIL "\r\n", "HTTP/1.1 200 OK\r\n", "\r\n\r\n/", false},
    {"request id is kept", "GET /" GET_TAIL "\r\n", "HTTP/1.1 200", "X-Request-ID: id\r\n", false},
    {"bad request id is replaced", "GET / HTTP/1.1\r\nHost: h\r\nX-Request-ID: a b\r\n\r\n", "HTTP/1.1 200",
     "X-Request-ID: req_", false},
    {"trace headers pass", "GET /" GET_TAIL "X-Trace-ID: t1\r\ntraceparent: 00-ab-cd-01\r\n\r\n", "HTTP/1.1 200",
     "X-Trace-ID: t1\r\ntraceparent: 00-ab-cd-01\r\n", false},
    {"absolute form with another host", "GET http://other/x HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 200",
     "X-Host: other\r\n", false},
    {"absolute form without a host", "GET http:///x" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"absolute form with a user", "GET http://u@h/x" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"absolute form of another scheme", "GET ftp://h/x" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"asterisk", "OPTIONS *" GET_TAIL "\r\n", "HTTP/1.1 200", NULL, false},
    {"asterisk for another method", "GET *" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"a method that is known but not served", "PROPFIND /p" GET_TAIL "\r\n", "HTTP/1.1 501",
     "\"code\":\"not_implemented\"", true},
    {"a method that is not known", "FROB /p" GET_TAIL "\r\n", "HTTP/1.1 501", "\"code\":\"not_implemented\"", true},
    {"a method in small letters", "get /p" GET_TAIL "\r\n", "HTTP/1.1 501", NULL, true},
    {"a long method", "ABCDEFGHIJKLMNOPQRSTUVWXYZ /p" GET_TAIL "\r\n", "HTTP/1.1 501", NULL, true},
    {"a method that cannot be one", "G(T /p" GET_TAIL "\r\n", "HTTP/1.1 400", "\"code\":\"malformed\"", true},
    {"what is TLS", "\x16\x03\x01\x02 ", "HTTP/1.1 400", NULL, true},
    {"not to be stored", "GET /" GET_TAIL "\r\n", "HTTP/1.1 200", "Cache-Control: no-store\r\n", false},
    {"with its date", "GET /" GET_TAIL "\r\n", "HTTP/1.1 200", " GMT\r\n", false},
    {"body by length", "POST /echo" GET_TAIL "Content-Length: 3\r\n\r\nabc", "HTTP/1.1 200", "\r\n\r\nabc", false},
    {"chunked body with trailers",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n2;x=y\r\nab\r\n1\r\nc\r\n0\r\nT: v\r\n\r\n",
     "HTTP/1.1 200", "\r\n\r\nabc", false},
    {"chunk extensions of all forms",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n"
     "01 ; a\t; b = \"q\\\";\t\xc3\xa4\";c=d\r\nx\r\n1;e\r\ny\r\n0 ;f=\"\"\r\n\r\n",
     "HTTP/1.1 200", "\r\n\r\nxy", false},
    {"chunk extension without a name", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;\r\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"chunk extension without a value",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;a=\r\nx\r\n0\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"chunk extension with an open quote",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;a=\"b\r\nx\r\n0\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"chunk extension with a control byte",
     "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;a=\"\x01\"\r\nx\r\n0\r\n\r\n", "HTTP/1.1 400", NULL,
     true},
    {"white space behind a chunk size", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1 \r\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"two words for a chunk size", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1 1\r\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"a chunk size of many zeros", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n00000000000000001\r\nx\r\n",
     "HTTP/1.1 400", NULL, true},
    {"empty coding", "POST /echo" GET_TAIL "Transfer-Encoding:\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"empty coding beside a length", "POST /echo" GET_TAIL "Transfer-Encoding: \r\nContent-Length: 1\r\n\r\nx",
     "HTTP/1.1 400", NULL, true},
    {"continue", "POST /echo" GET_TAIL "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
     "HTTP/1.1 100 Continue\r\n\r\n", "HTTP/1.1 200", false},
    {"refused by its head", "POST /refused" GET_TAIL "Expect: 100-continue\r\nContent-Length: 3\r\n\r\n",
     "HTTP/1.1 401", "Connection: close\r\n", true},
    {"refused by its head, body and all",
     "POST /refused" GET_TAIL "Content-Length: 3\r\n\r\nabcGET /never" GET_TAIL "\r\n", "HTTP/1.1 401",
     "Connection: close\r\n", true},
    {"a head that is thought about", "POST /judged" GET_TAIL "Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc",
     "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200", "/judged", false},
    {"without a body there is no head to judge", "POST /refused" GET_TAIL "Content-Length: 0\r\n\r\n", "HTTP/1.1 200",
     "/refused", false},
    {"parameters", "GET /params?a=1&x=p%26q+r&flag&a=2" GET_TAIL "\r\n", "HTTP/1.1 200",
     "[a=1][x=p&q r][flag=][a=2] x is p&q r", false},
    {"streamed", "GET /stream" GET_TAIL "\r\n", "HTTP/1.1 200", "\r\n\r\n7\r\none two\r\n0\r\n\r\n", false},
    {"no content has no length", "GET /nothing" GET_TAIL "\r\n", "HTTP/1.1 204 No Content\r\nX-Request-ID: id", NULL,
     false},
    {"invalid fields", "GET /invalid" GET_TAIL "\r\n", "HTTP/1.1 422",
     "\"request_id\":\"id\",\"fields\":[{\"name\":\"timeout_seconds\",\"reason\":\"must be > 0\"},"
     "{\"name\":\"env\",\"reason\":\"is no object\"}]}}",
     false},
    {"unauthorized", "GET /secret" GET_TAIL "\r\n", "HTTP/1.1 401", "WWW-Authenticate: Bearer\r\n", false},
    {"asked to close", "GET /" GET_TAIL "Connection: close\r\n\r\n", "HTTP/1.1 200", "Connection: close\r\n", true},
    {"HTTP/1.0 closes", "GET /x HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "Connection: close\r\n", true},
    {"HTTP/1.0 stream until close", "GET /stream HTTP/1.0\r\n\r\n", "HTTP/1.1 200", "\r\n\r\none two", true},
    {"HTTP/1.0 keep-alive", "GET /x HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", "HTTP/1.1 200",
     "Connection: keep-alive\r\n", false},
    {"empty lines before a request", "\r\n\r\nGET /x" GET_TAIL "\r\n", "HTTP/1.1 200", NULL, false},
    {"joined headers", "GET /" GET_TAIL "X-Request-ID: id2\r\n\r\n", "HTTP/1.1 200", "X-Request-ID: req_", false},

    {"no host", "GET / HTTP/1.1\r\n\r\n", "HTTP/1.1 400", "\"code\":\"malformed\"", true},
    {"two hosts", "GET /" GET_TAIL "Host: h\r\n\r\n", "HTTP/1.1 400", "\"request_id\":\"id\"", true},
    {"host with a path", "GET / HTTP/1.1\r\nHost: h/x\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"length and coding", "POST /" GET_TAIL "Content-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"coding and length", "POST /" GET_TAIL "Transfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"two lengths", "POST /" GET_TAIL "Content-Length: 3\r\nContent-Length: 4\r\n\r\nabc", "HTTP/1.1 400", NULL, true},
    {"length with a sign", "POST /" GET_TAIL "Content-Length: +3\r\n\r\nabc", "HTTP/1.1 400", NULL, true},
    {"another coding", "POST /" GET_TAIL "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400", NULL,
     true},
    {"coding in HTTP/1.0", "POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", "HTTP/1.1 400", NULL,
     true},
    {"folded header", "GET /" GET_TAIL "X: a\r\n b\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"space before colon", "GET /" GET_TAIL "X : a\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"bare LF", "GET / HTTP/1.1\nHost: h\n\n", "HTTP/1.1 400", NULL, true},
    {"bare CR", "GET /" GET_TAIL "X: a\rb\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"bad escape", "GET /?a=%zz" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"cut escape", "GET /?a=%2" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"fragment", "GET /#a" GET_TAIL "\r\n", "HTTP/1.1 400", NULL, true},
    {"HTTP/2", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "HTTP/1.1 501", NULL, true},
    {"HTTP/0.9", "GET / HTTP/0.9\r\nHost: h\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"another method", "XYZZY / HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 501", NULL, true},
    {"no method", "/ HTTP/1.1\r\nHost: h\r\n\r\n", "HTTP/1.1 400", NULL, true},
    {"bad chunk size", "POST /" GET_TAIL "Transfer-Encoding: chunked\r\n\r\nzz\r\n", "HTTP/1.1 400", NULL, true},
    {"long body", "POST /echo" GET_TAIL "Expect: 100-continue\r\nContent-Length: 4097\r\n\r\n", "HTTP/1.1 413",
     "\"code\":\"too_large\"", true},
    {"bare LF in a chunk extension", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1;a\nb\r\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"bare LF after a chunk size", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1\nx\r\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"bare LF after a chunk", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1\r\nx\n0\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"bare LF in trailers", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n0\r\nT: v\n\r\n", "HTTP/1.1 400",
     NULL, true},
    {"bare LF for trailers", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n0\r\n\n", "HTTP/1.1 400", NULL,
     true},
    {"folded trailer", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n0\r\nT: v\r\n w\r\n\r\n",
     "HTTP/1.1 400", NULL, true},
    {"long chunk", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n1001\r\n", "HTTP/1.1 413", NULL, true},
    {"longest chunk", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n", "HTTP/1.1 413",
     NULL, true},
    {"chunk size that overflows", "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n10000000000000000\r\n",
     "HTTP/1.1 400", NULL, true},
};

static void check_exchange(const struct exchange *exchange)
{
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, exchange->request);
    loop_turns(app.loop, 4);
    const char *got = buf_cstr(&peer.got);
    if (exchange->status && strncmp(got, exchange->status, strlen(exchange->status)) != 0)
        fail_msg("%s: %s", exchange->name, got);
    if (exchange->holds && !strstr(got, exchange->holds))
        fail_msg("%s: %s", exchange->name, got);
    if (exchange->closes != peer.ended)
        fail_msg("%s: %s", exchange->name, peer.ended ? "was closed" : "stays open");
    peer_close(&peer);
    app_stop(&app);
}

// Whatever the split of the bytes, the answer is the same.
static void check_exchange_by_bytes(const struct exchange *exchange)
{
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    for (const char *at = exchange->request; *at && !peer.ended; at++) {
        if (send(peer.fd, at, 1, MSG_NOSIGNAL) < 0)
            break;
        loop_turns(app.loop, 1);
    }
    loop_turns(app.loop, 4);
    if (exchange->status && strncmp(buf_cstr(&peer.got), exchange->status, strlen(exchange->status)) != 0)
        fail_msg("%s, by bytes: %s", exchange->name, buf_cstr(&peer.got));
    peer_close(&peer);
    app_stop(&app);
}

static void each_request_gets_its_answer_byte_by_byte(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
        check_exchange_by_bytes(&exchanges[i]);
}

static void entity_tags_are_compared_weakly_and_in_lists(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        bool match;
    } cases[] = {
        {"\"a,b\"", true},
        {"W/\"a,b\"", true},
        {"\"x\", \"a,b\"", true},
        {"\"x\",W/\"a,b\" , \"y\"", true},
        {" * ", true},
        {"", false},
        {"\"a\"", false},
        {"\"x\", \"a\"", false},
        {"a,b", false},
        {"\"x,\"a,b\"", false},
        {",, \"a,b\"", true},
        {"w/\"a,b\"", false},
        {"\"A,B\"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        if (http_none_match(str_of(cases[i].header), STR("\"a,b\"")) != cases[i].match)
            fail_msg("%s %s", cases[i].header, cases[i].match ? "does not match" : "matches");
    assert_true(http_none_match(STR("\"a\""), STR("W/\"a\"")));
}

// --- What a trusted proxy says of the client

static const struct {
    const char *headers, *told; // "!": refused
    bool trusted;
} told_clients[] = {
    {"", "local:0 http h local", true},
    {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n",
     "192.0.2.1:0 https a.example remote", true},
    {"Forwarded: for=\"[2001:db8::1]:80\";proto=http;host=b\r\n", "[2001:db8::1]:80 http b remote", true},
    {"X-Forwarded-For: 127.0.0.1\r\n", "127.0.0.1:0 http h local", true},
    {"X-Forwarded-For: 192.0.2.9\r\nX-Forwarded-For: 192.0.2.1\r\n", "192.0.2.1:0 http h remote", true},
    {"X-Forwarded-For: 192.0.2.1\r\nForwarded: for=192.0.2.2\r\n", "!", true},
    {"X-Forwarded-Host: a/b\r\n", "!", true},
    {"X-Forwarded-For: 192.0.2.1\r\nX-Forwarded-Proto: https\r\nX-Forwarded-Host: a.example\r\n",
     "local:0 http h local", false},
};

static void a_trusted_proxy_is_believed_and_no_other(void **state)
{
    (void)state;
    char *items[] = {"unix"};
    struct net_ranges *trusted = NULL;
    size_t bad;
    assert_int_equal(net_ranges_new(items, 1, &bad, &trusted), 0);
    for (size_t i = 0; i < ARRAY_LEN(told_clients); i++) {
        struct app app;
        struct peer peer;
        CLEANUP(free_ptr)
        char *request = xasprintf("GET /who HTTP/1.1\r\nHost: h\r\n%s\r\n", told_clients[i].headers);
        app_start(&app, NULL);
        http_server_trust(app.server, told_clients[i].trusted ? trusted : NULL);
        app_connect(&app, &peer);
        peer_send_text(&peer, request);
        peer_wait_text(&peer, told_clients[i].told[0] == '!' ? "HTTP/1.1 400" : told_clients[i].told);
        peer_close(&peer);
        app_stop(&app);
    }
    net_ranges_free(&trusted);
}

static void a_client_that_the_proxy_protocol_told_is_the_peer(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    struct net_address client;
    assert_true(net_address_parse(STR("192.0.2.1:4711"), &client));
    app_start(&app, NULL);
    struct http_accepted accepted = {.fd = peer_open(&peer, app.loop), .https = true, .address = &client};
    http_server_accept(app.server, &accepted);
    peer_send_text(&peer, "GET /who HTTP/1.1\r\nHost: h\r\n\r\n");
    peer_wait_text(&peer, "192.0.2.1:4711 https h remote");
    peer_close(&peer);
    app_stop(&app);
}

static void each_request_gets_its_answer(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++)
        check_exchange(&exchanges[i]);
}

static void nul_in_a_head_is_refused(void **state)
{
    (void)state;
    static const char request[] = "GET / HTTP/1.1\r\nHost: h\r\nX: a\0b\r\n\r\n";
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send(&peer, request, sizeof(request) - 1);
    peer_wait_text(&peer, "HTTP/1.1 400");
    peer_close(&peer);
    app_stop(&app);
}

static void head_gets_the_headers_of_get_alone(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, "HEAD /abc" GET_TAIL "\r\nHEAD /stream" GET_TAIL "\r\nHEAD /secret" GET_TAIL
                          "\r\nGET /end" GET_TAIL "\r\n");
    peer_wait_text(&peer, "/end");
    const char *got = buf_cstr(&peer.got);
    assert_non_null(strstr(got, "Content-Length: 4\r\n"));
    assert_null(strstr(got, "/abc"));
    assert_null(strstr(got, "one"));
    assert_null(strstr(got, "error"));
    peer_close(&peer);
    app_stop(&app);
}

// --- Limits, which hold for any split of the bytes

static void limit_case(const char *start, char filler, size_t count, const char *end, const char *status)
{
    for (unsigned piece = 1; piece < 2000; piece = piece * 7 + 1) {
        struct app app;
        struct peer peer;
        app_start(&app, NULL);
        app_connect(&app, &peer);
        CLEANUP(buf_release) struct buf request = {0};
        buf_append_text(&request, start);
        for (size_t i = 0; i < count; i++)
            buf_append_byte(&request, filler);
        buf_append_text(&request, end);
        for (size_t at = 0; at < request.len && !peer.ended; at += piece) {
            peer_send(&peer, request.data + at, MIN(piece, request.len - at));
            loop_turns(app.loop, 2);
        }
        peer_wait_text(&peer, status);
        assert_memory_equal(peer.got.data, status, strlen(status));
        peer_close(&peer);
        app_stop(&app);
    }
}

static void limits_are_exact_and_refused_by_their_own_status(void **state)
{
    (void)state;
    const char *tail = " HTTP/1.1\r\nHost: h\r\n\r\n";
    limit_case("GET /", 'a', 255, tail, "HTTP/1.1 200");
    limit_case("GET /", 'a', 256, tail, "HTTP/1.1 414");
    size_t fixed = strlen("Host: h\r\nX: \r\n\r\n");
    limit_case("GET / HTTP/1.1\r\nHost: h\r\nX: ", 'a', 1024 - fixed, "\r\n\r\n", "HTTP/1.1 200");
    limit_case("GET / HTTP/1.1\r\nHost: h\r\nX: ", 'a', 1025 - fixed, "\r\n\r\n", "HTTP/1.1 431");
    limit_case("GET / HTTP/1.1\r\nHost: h\r\nX:", ' ', 4000, "", "HTTP/1.1 431");
    limit_case("GET ", ' ', 4000, "", "HTTP/1.1 4");
    limit_case("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n", 'a', 4096,
               "\r\n0\r\n\r\n", "HTTP/1.1 200");
    limit_case("POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1001\r\n", 'a', 4097,
               "\r\n0\r\n\r\n", "HTTP/1.1 413");
}

static void too_many_headers_are_refused(void **state)
{
    (void)state;
    struct http_limits limits = default_limits;
    limits.headers_max = 16384;
    struct app app;
    struct peer peer;
    app_start(&app, &limits);
    app_connect(&app, &peer);
    peer_send_text(&peer, "GET / HTTP/1.1\r\nHost: h\r\n");
    for (int i = 0; i < 200; i++)
        peer_send_text(&peer, "a: b\r\n");
    peer_send_text(&peer, "\r\n");
    peer_wait_text(&peer, "HTTP/1.1 431");
    peer_close(&peer);
    app_stop(&app);
}

static void long_trailers_are_refused(void **state)
{
    (void)state;
    const char *start = "POST /echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nT: ";
    size_t fixed = strlen("T: \r\n\r\n");
    limit_case(start, 'a', 1024 - fixed, "\r\n\r\n", "HTTP/1.1 200");
    limit_case(start, 'a', 1025 - fixed, "\r\n\r\n", "HTTP/1.1 431");
}

// --- Pipelining: every split of the same bytes gives the same answers

static const char pipeline[] = "GET /one" GET_TAIL "\r\n"
                               "POST /echo" GET_TAIL "Content-Length: 5\r\n\r\nhello\r\n"
                               "GET /later" GET_TAIL "\r\n"
                               "POST /judged" GET_TAIL "Content-Length: 5\r\n\r\nhello"
                               "POST /echo" GET_TAIL "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"
                               "GET /stream" GET_TAIL "\r\n"
                               "HEAD /two" GET_TAIL "\r\n"
                               "GET /later" GET_TAIL "\r\n"
                               "GET /last" GET_TAIL "Connection: close\r\n\r\nGET /never" GET_TAIL "\r\n";

// The answers to `pipeline`, sent in pieces that end where `ends` says.
// Two runs may be in two seconds.
static void blank_dates(struct buf *answers)
{
    static const char name[] = "\r\nDate: ";
    char *at = answers->data, *end = answers->data + answers->len;
    while ((at = memmem(at, (size_t)(end - at), name, sizeof(name) - 1)) != NULL) {
        at += sizeof(name) - 1;
        memset(at, '-', MIN((size_t)(end - at), (size_t)29));
    }
}

static void run_pipeline(const size_t *ends, size_t count, struct buf *ret)
{
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    size_t at = 0;
    for (size_t i = 0; i < count && !peer.ended; i++) {
        peer_send(&peer, pipeline + at, ends[i] - at);
        loop_turns(app.loop, 1);
        at = ends[i];
    }
    peer_wait_end(&peer);
    blank_dates(&peer.got);
    buf_append(ret, peer.got.data, peer.got.len);
    assert_int_equal(app.requests, 9);
    assert_int_equal(app.heads, 3);
    peer_close(&peer);
    app_stop(&app);
}

static void pipelined_answers_do_not_depend_on_the_split(void **state)
{
    (void)state;
    size_t total = sizeof(pipeline) - 1;
    CLEANUP(buf_release) struct buf expected = {0};
    run_pipeline(&total, 1, &expected);
    assert_non_null(strstr(buf_cstr(&expected), "/last"));
    assert_null(strstr(buf_cstr(&expected), "/never"));

    for (size_t split = 1; split < total; split++) {
        CLEANUP(buf_release) struct buf got = {0};
        run_pipeline((size_t[]){split, total}, 2, &got);
        assert_string_equal(buf_cstr(&got), buf_cstr(&expected));
    }
    uint64_t random = 88172645463325252u; // xorshift64, so that a failure can be repeated
    for (int round = 0; round < 50; round++) {
        size_t ends[600], count = 0, at = 0;
        while (at < total) {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            at = MIN(total, at + 1 + random % (round < 5 ? 1 : 60));
            ends[count++ % 600] = at;
        }
        CLEANUP(buf_release) struct buf got = {0};
        run_pipeline(ends, MIN(count, (size_t)600), &got);
        assert_string_equal(buf_cstr(&got), buf_cstr(&expected));
    }
}

static void flood_of_requests_is_taken_no_faster_than_answered(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    static const char request[] = "GET /hold" GET_TAIL "\r\n";
    size_t sent = 0;
    for (int turn = 0; turn < 200; turn++) {
        for (int i = 0; i < 100; i++) {
            ssize_t n = send(peer.fd, request, sizeof(request) - 1, MSG_DONTWAIT | MSG_NOSIGNAL);
            sent += n > 0 ? (size_t)n : 0;
        }
        loop_turns(app.loop, 1);
    }
    // The socket's buffer and the backlog are full, and the rest was not taken.
    assert_int_equal(app.requests, 1);
    assert_true(sent < (size_t)200 * 100 * (sizeof(request) - 1) / 2);
    http_respond(app.held, 200, NULL, "x", 1);
    loop_turns(app.loop, 2);
    assert_int_equal(app.requests, 2);
    peer_close(&peer);
    app_stop(&app);
}

// --- Log

static void log_lines_hold_no_query(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(pipe2(ends, O_CLOEXEC | O_NONBLOCK), 0);
    struct logger logger = {.fd = ends[1], .min_level = LOG_INFO};
    struct app app = {0};
    assert_int_equal(loop_new(&app.loop), 0);
    deferred_init(&app.later, answer_later);
    struct http_app interface = {.request = app_request, .app = &app, .logger = &logger};
    app.server = http_server_new(app.loop, &interface, &default_limits, NULL);
    struct peer peer;
    app_connect(&app, &peer);
    peer_send_text(&peer,
                   "GET /x?access_token=secret" GET_TAIL "\r\nGET /stream?token=secret" GET_TAIL "\r\nBROKEN\r\n\r\n");
    peer_wait_end(&peer);
    char lines[4096] = "";
    assert_true(read(ends[0], lines, sizeof(lines) - 1) > 0);
    assert_non_null(strstr(lines, "\"path\":\"/x\",\"status\":200"));
    assert_non_null(strstr(lines, "\"path\":\"/stream\",\"status\":200"));
    assert_non_null(strstr(lines, "\"path\":\"\",\"status\":400"));
    assert_null(strstr(lines, "secret"));
    peer_close(&peer);
    app_stop(&app);
    close_fd(&ends[0]);
    close_fd(&ends[1]);
}

// --- Ends

static void half_closed_peer_gets_its_answers(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, "GET /hold" GET_TAIL "\r\nGET /second" GET_TAIL "\r\n");
    shutdown(peer.fd, SHUT_WR);
    loop_turns(app.loop, 3);
    assert_non_null(app.held);
    http_respond(app.held, 200, NULL, "first", 5);
    peer_wait_end(&peer);
    assert_int_equal(peer.error, 0);
    assert_non_null(strstr(buf_cstr(&peer.got), "first"));
    assert_non_null(strstr(buf_cstr(&peer.got), "/second"));
    peer_close(&peer);
    loop_turns(app.loop, 2);
    assert_int_equal(http_server_connections(app.server), 0);
    app_stop(&app);
}

static void half_request_is_malformed(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, "POST /echo" GET_TAIL "Content-Length: 5\r\n\r\nab");
    shutdown(peer.fd, SHUT_WR);
    peer_wait_text(&peer, "HTTP/1.1 400");
    peer_wait_end(&peer);
    assert_int_equal(app.requests, 0);
    peer_close(&peer);
    app_stop(&app);
}

static void peer_that_goes_aborts_its_request(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, "GET /hold" GET_TAIL "\r\n");
    loop_turns(app.loop, 2);
    assert_non_null(app.held);
    peer_close(&peer);
    loop_turns(app.loop, 3);
    assert_int_equal(app.aborted, 1);
    assert_int_equal(http_server_connections(app.server), 0);
    app_stop(&app);
}

// How the body of "POST /judged" goes wrong after its head was accepted; the application hears of it before it is
// answered.
static void body_that_goes_wrong_aborts_its_request(void **state)
{
    (void)state;
    static const struct {
        const char *body; // NULL: the peer goes
        const char *answer;
    } cases[] = {{"zz\r\n", "HTTP/1.1 400"}, {"1001\r\n", "HTTP/1.1 413"}, {NULL, NULL}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct app app;
        struct peer peer;
        app_start(&app, NULL);
        app_connect(&app, &peer);
        peer_send_text(&peer, "POST /judged" GET_TAIL "Expect: 100-continue\r\nTransfer-Encoding: chunked\r\n\r\n");
        peer_wait_text(&peer, "100 Continue");
        assert_int_equal(app.aborted, 0);
        if (cases[i].body) {
            peer_send_text(&peer, cases[i].body);
            peer_wait_text(&peer, cases[i].answer);
            peer_close(&peer);
        } else {
            peer_close(&peer);
            while (app.aborted == 0)
                loop_turns(app.loop, 1);
        }
        assert_int_equal(app.aborted, 1);
        assert_int_equal(app.requests, 0);
        app_stop(&app);
    }
}

static void server_free_aborts_what_is_under_way(void **state)
{
    (void)state;
    struct app app;
    struct peer held, followed;
    app_start(&app, NULL);
    app_connect(&app, &held);
    app_connect(&app, &followed);
    peer_send_text(&held, "GET /hold" GET_TAIL "\r\n");
    peer_send_text(&followed, "GET /follow" GET_TAIL "\r\n");
    loop_turns(app.loop, 2);
    http_server_free(&app.server);
    assert_int_equal(app.aborted, 1);
    assert_int_equal(app.stream_closed, 1);
    peer_close(&held);
    peer_close(&followed);
    app_stop(&app);
}

static void count_fewer(void *arg)
{
    unsigned *fewer = arg;
    ++*fewer;
}

static void drain_closes_idle_connections_and_lets_others_finish(void **state)
{
    unsigned fewer = 0;
    (void)state;
    struct app app;
    struct peer idle, busy;
    app_start(&app, NULL);
    app_connect(&app, &idle);
    app_connect(&app, &busy);
    peer_send_text(&busy, "GET /hold" GET_TAIL "\r\n");
    loop_turns(app.loop, 2);
    http_server_drain(app.server, count_fewer, &fewer);
    assert_int_equal(fewer, 1);
    peer_wait_end(&idle);
    assert_false(busy.ended);
    assert_int_equal(fewer, 1);
    assert_int_equal(http_server_open(app.server), 2);
    http_respond(app.held, 200, NULL, "done", 4);
    peer_wait_end(&busy);
    assert_non_null(strstr(buf_cstr(&busy.got), "Connection: close"));
    assert_non_null(strstr(buf_cstr(&busy.got), "done"));
    peer_close(&idle);
    peer_close(&busy);
    while (http_server_open(app.server) > 0)
        loop_turns(app.loop, 1);
    assert_int_equal(http_server_connections(app.server), 0);
    assert_true(fewer > 1);
    app_stop(&app);
}

static void connection_above_the_limit_gets_503(void **state)
{
    (void)state;
    struct app app;
    struct peer peers[5];
    app_start(&app, NULL);
    for (int i = 0; i < 5; i++)
        app_connect(&app, &peers[i]);
    peer_wait_end(&peers[4]);
    assert_memory_equal(peers[4].got.data, "HTTP/1.1 503", 12);
    assert_non_null(strstr(buf_cstr(&peers[4].got), "Retry-After: 1"));
    assert_int_equal(http_server_connections(app.server), 4);
    assert_int_equal(http_server_stats(app.server)->refused_total, 1);
    peer_send_text(&peers[0], "GET /x" GET_TAIL "\r\n");
    peer_wait_text(&peers[0], "/x");
    for (int i = 0; i < 5; i++)
        peer_close(&peers[i]);
    app_stop(&app);
}

static void upgraded_connection_counts_until_it_is_closed(void **state)
{
    (void)state;
    struct http_limits limits = default_limits;
    limits.connections_max = 1;
    struct app app;
    struct peer upgraded, refused, taken;
    app_start(&app, &limits);
    app_connect(&app, &upgraded);
    peer_send_text(&upgraded, "GET /upgrade" GET_TAIL "\r\n");
    peer_wait_text(&upgraded, "HTTP/1.1 101");
    assert_int_equal(http_server_connections(app.server), 0);
    app_connect(&app, &refused);
    peer_wait_text(&refused, "HTTP/1.1 503");
    peer_close(&refused);
    peer_close(&upgraded);
    while (app.upgraded)
        loop_turns(app.loop, 1);
    app_connect(&app, &taken);
    peer_send_text(&taken, "GET /upgrade" GET_TAIL "\r\n");
    peer_wait_text(&taken, "HTTP/1.1 101");
    http_server_free(&app.server); // which the connection outlives
    conn_free(&app.upgraded);
    peer_close(&taken);
    app_stop(&app);
}

// --- Timeouts

static void slow_head_and_slow_body_are_answered_408(void **state)
{
    (void)state;
    struct http_limits limits = default_limits;
    limits.header_timeout_ms = 40;
    struct app app;
    struct peer head, body;
    app_start(&app, &limits);
    app_connect(&app, &head);
    app_connect(&app, &body);
    peer_send_text(&head, "GET /x HTTP/1.1\r\nHost:");
    peer_send_text(&body, "POST /echo" GET_TAIL "Content-Length: 5\r\n\r\nab");
    peer_wait_end(&head);
    peer_wait_end(&body);
    assert_memory_equal(head.got.data, "HTTP/1.1 408", 12);
    assert_memory_equal(body.got.data, "HTTP/1.1 408", 12);
    peer_close(&head);
    peer_close(&body);
    app_stop(&app);
}

static void idle_connection_is_closed_without_a_word(void **state)
{
    (void)state;
    struct http_limits limits = default_limits;
    limits.idle_timeout_ms = 40;
    struct app app;
    struct peer fresh, used;
    app_start(&app, &limits);
    app_connect(&app, &fresh);
    app_connect(&app, &used);
    peer_send_text(&used, "GET /hold" GET_TAIL "\r\n");
    peer_wait_end(&fresh);
    assert_int_equal(fresh.got.len, 0);
    assert_false(used.ended); // being answered is not idle
    http_respond(app.held, 200, NULL, NULL, 0);
    peer_wait_end(&used);
    assert_non_null(strstr(buf_cstr(&used.got), "HTTP/1.1 200"));
    peer_close(&fresh);
    peer_close(&used);
    app_stop(&app);
}

static void peer_that_does_not_read_is_dropped(void **state)
{
    (void)state;
    struct http_limits limits = default_limits;
    limits.send_timeout_ms = 60;
    struct app app;
    struct peer peer;
    app_start(&app, &limits);
    app_connect(&app, &peer);
    peer_send_text(&peer, "GET /follow" GET_TAIL "\r\n");
    peer_wait_text(&peer, "\r\n\r\n");
    watch_set(peer.watch, 0);
    struct payload *payload = payload_new(peer.got.data, peer.got.len);
    for (int i = 0; i < 20000; i++)
        http_stream_write_payload(app.stream, payload, 0, payload->len);
    payload_unref(&payload);
    loop_turns(app.loop, 1);
    assert_true(http_stream_pending(app.stream) > 0);
    timer_start(peer.guard, 300);
    loop_run(app.loop);
    assert_int_equal(app.stream_closed, 1);
    peer_close(&peer);
    app_stop(&app);
}

// --- Streams

static void stream_tells_when_it_is_drained_and_keeps_the_connection(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, "GET /follow" GET_TAIL "\r\nGET /next" GET_TAIL "\r\n");
    peer_wait_text(&peer, "\r\n\r\n");
    struct payload *payload = payload_new("shared bytes", 12);
    http_stream_write(app.stream, "copied", 6);
    http_stream_write_payload(app.stream, payload, 7, 5);
    assert_int_equal(http_stream_pending(app.stream), strlen("6\r\ncopied\r\n5\r\nbytes\r\n"));
    peer_wait_text(&peer, "\r\n\r\n6\r\ncopied\r\n5\r\nbytes\r\n");
    assert_true(app.drained > 0);
    assert_int_equal(http_stream_pending(app.stream), 0);
    assert_int_equal(payload->refs, 1);
    http_stream_end(&app.stream);
    assert_null(app.stream);
    peer_wait_text(&peer, "0\r\n\r\nHTTP/1.1 200 OK");
    peer_wait_text(&peer, "/next");
    assert_int_equal(app.stream_closed, 0);
    payload_unref(&payload);
    peer_close(&peer);
    app_stop(&app);
}

static void stream_is_drained_when_its_encoder_keeps_what_was_written(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, "GET /packed" GET_TAIL "Accept-Encoding: zstd\r\n\r\n");
    peer_wait_text(&peer, "\r\n\r\n");
    while (http_stream_pending(app.stream) > 0)
        loop_turns(app.loop, 1);
    app.drained = 0;
    http_stream_write(app.stream, "few", 3);
    while (http_stream_pending(app.stream) > 0)
        loop_turns(app.loop, 1);
    assert_int_equal(app.drained, 1);
    http_stream_end(&app.stream);
    peer_close(&peer);
    app_stop(&app);
}

static void aborted_stream_has_no_end(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, "GET /follow" GET_TAIL "\r\n");
    peer_wait_text(&peer, "\r\n\r\n");
    http_stream_write(app.stream, "x", 1);
    peer_wait_text(&peer, "1\r\nx\r\n");
    http_stream_abort(&app.stream);
    peer_wait_end(&peer);
    assert_null(strstr(buf_cstr(&peer.got), "0\r\n\r\n"));
    peer_close(&peer);
    app_stop(&app);
}

static void stream_whose_peer_goes_is_closed(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app, NULL);
    app_connect(&app, &peer);
    peer_send_text(&peer, "GET /follow" GET_TAIL "\r\n");
    peer_wait_text(&peer, "\r\n\r\n");
    peer_close(&peer);
    loop_turns(app.loop, 3);
    assert_int_equal(app.stream_closed, 1);
    app_stop(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_request_gets_its_answer),
        cmocka_unit_test(each_request_gets_its_answer_byte_by_byte),
        cmocka_unit_test(a_trusted_proxy_is_believed_and_no_other),
        cmocka_unit_test(a_client_that_the_proxy_protocol_told_is_the_peer),
        cmocka_unit_test(entity_tags_are_compared_weakly_and_in_lists),
        cmocka_unit_test(nul_in_a_head_is_refused),
        cmocka_unit_test(head_gets_the_headers_of_get_alone),
        cmocka_unit_test(limits_are_exact_and_refused_by_their_own_status),
        cmocka_unit_test(long_trailers_are_refused),
        cmocka_unit_test(log_lines_hold_no_query),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(pipelined_answers_do_not_depend_on_the_split),
        cmocka_unit_test(flood_of_requests_is_taken_no_faster_than_answered),
        cmocka_unit_test(half_closed_peer_gets_its_answers),
        cmocka_unit_test(half_request_is_malformed),
        cmocka_unit_test(peer_that_goes_aborts_its_request),
        cmocka_unit_test(body_that_goes_wrong_aborts_its_request),
        cmocka_unit_test(server_free_aborts_what_is_under_way),
        cmocka_unit_test(drain_closes_idle_connections_and_lets_others_finish),
        cmocka_unit_test(connection_above_the_limit_gets_503),
        cmocka_unit_test(upgraded_connection_counts_until_it_is_closed),
        cmocka_unit_test(slow_head_and_slow_body_are_answered_408),
        cmocka_unit_test(idle_connection_is_closed_without_a_word),
        cmocka_unit_test(peer_that_does_not_read_is_dropped),
        cmocka_unit_test(stream_tells_when_it_is_drained_and_keeps_the_connection),
        cmocka_unit_test(stream_is_drained_when_its_encoder_keeps_what_was_written),
        cmocka_unit_test(aborted_stream_has_no_end),
        cmocka_unit_test(stream_whose_peer_goes_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
