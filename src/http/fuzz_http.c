// Arbitrary bytes from a client into a real server over a socket pair, whole and in pieces. Nothing may break, each
// request must get an answer or an abort, and both ways must give the same answers.
#include "http/http.h"
#include "util/buf.h"

#include <sys/socket.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool count_param(struct str name, struct str value, void *arg)
{
    *(size_t *)arg += name.len + value.len;
    return true;
}

static void on_request(void *app, struct http_request *request)
{
    (void)app;
    size_t params = 0;
    if (!http_params_each(request, count_param, &params))
        abort(); // malformed escapes are refused before
    CLEANUP(buf_release) struct buf out = {0};
    buf_printf(&out, "%d %.*s %zu ", (int)http_method(request), STR_ARGS(http_path(request)), params);
    buf_append_str(&out, http_body(request));
    http_respond(request, 200, "text/plain", out.data, out.len);
}

// Heads of which the application thinks for a while, refuses, or has their bodies read at once, by their method.
struct judge {
    struct deferred later;
    struct loop *loop;
    struct http_request *held;
};

static void on_later(struct deferred *deferred)
{
    struct judge *judge = CONTAINER_OF(deferred, struct judge, later);
    http_on_abort(judge->held, NULL, NULL);
    http_read_body(TAKE_PTR(judge->held));
}

static void on_abort(void *arg)
{
    struct judge *judge = arg;
    deferred_cancel(&judge->later);
    judge->held = NULL;
}

static void on_head(void *app, struct http_request *request)
{
    struct judge *judge = app;
    if (http_method(request) == HTTP_M_DELETE) {
        http_respond_error(request, ERR_UNAUTHORIZED, NULL);
    } else if (http_method(request) == HTTP_M_PUT) {
        judge->held = request;
        http_on_abort(request, on_abort, judge);
        loop_defer(judge->loop, &judge->later);
    } else {
        http_read_body(request);
    }
}

static void turn(struct loop *loop)
{
    loop_stop(loop);
    loop_run(loop);
}

static void drain(int fd, struct buf *answers)
{
    char data[16384];
    for (ssize_t got; (got = recv(fd, data, sizeof(data), MSG_DONTWAIT)) > 0;)
        buf_append(answers, data, (size_t)got);
}

// Request identifiers that the server makes, and dates, differ from run to run.
static void blank_ids(struct buf *answers)
{
    for (size_t at = 0; at + 35 <= answers->len; at++) {
        if (memcmp(answers->data + at, "Date: ", 6) == 0)
            memset(answers->data + at + 6, '-', 29);
    }
    for (size_t at = 0; at + 30 <= answers->len; at++) {
        if (memcmp(answers->data + at, "req_", 4) == 0)
            memset(answers->data + at + 4, '-', 26);
    }
}

static void serve(const uint8_t *data, size_t len, size_t piece, struct buf *answers)
{
    struct loop *loop = NULL;
    int ends[2];
    if (loop_new(&loop) < 0 || socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends) < 0)
        abort();
    struct judge judge = {.loop = loop};
    deferred_init(&judge.later, on_later);
    struct http_app app = {.head = on_head, .request = on_request, .app = &judge};
    struct http_limits limits = {.url_max = 128,
                                 .headers_max = 512,
                                 .body_max = 1024,
                                 .connections_max = 1,
                                 .header_timeout_ms = 60000,
                                 .idle_timeout_ms = 60000,
                                 .send_timeout_ms = 60000};
    struct http_server *server = http_server_new(loop, &app, &limits, NULL);
    http_server_accept(server, &(struct http_accepted){.fd = ends[1]});
    for (size_t at = 0; at < len; at += piece) {
        if (send(ends[0], data + at, MIN(piece, len - at), MSG_NOSIGNAL) < 0)
            break;
        turn(loop);
        drain(ends[0], answers);
    }
    shutdown(ends[0], SHUT_WR);
    for (int i = 0; i < 3; i++)
        turn(loop);
    drain(ends[0], answers);
    blank_ids(answers);
    close(ends[0]);
    http_server_free(&server);
    loop_free(&loop);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    if (len < 2 || len > 4096)
        return 0;
    CLEANUP(buf_release) struct buf whole = {0};
    CLEANUP(buf_release) struct buf pieces = {0};
    serve(data + 1, len - 1, len, &whole);
    serve(data + 1, len - 1, 1 + data[0] % 128u, &pieces);
    if (!str_eq(buf_str(&whole), buf_str(&pieces)))
        abort();
    return 0;
}
