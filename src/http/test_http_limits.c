// Limits and timeouts, and requests that come faster than they are answered.
#include "http/test_app.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(limits_are_exact_and_refused_by_their_own_status),
        cmocka_unit_test(long_trailers_are_refused),
        cmocka_unit_test(too_many_headers_are_refused),
        cmocka_unit_test(pipelined_answers_do_not_depend_on_the_split),
        cmocka_unit_test(flood_of_requests_is_taken_no_faster_than_answered),
        cmocka_unit_test(connection_above_the_limit_gets_503),
        cmocka_unit_test(slow_head_and_slow_body_are_answered_408),
        cmocka_unit_test(idle_connection_is_closed_without_a_word),
        cmocka_unit_test(peer_that_does_not_read_is_dropped),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
