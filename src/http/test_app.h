// For tests of the server: an application with one path for each way of answering.
#pragma once

#include "http/http.h"
#include "net/test_peer.h"

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

UNUSED static void app_start(struct app *app, const struct http_limits *limits)
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

#define GET_TAIL " HTTP/1.1\r\nHost: h\r\nX-Request-ID: id\r\n"
