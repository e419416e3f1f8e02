// How connections, requests and streams end.
#include "http/test_app.h"

// --- Connections and requests

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
        cmocka_unit_test(half_closed_peer_gets_its_answers),
        cmocka_unit_test(half_request_is_malformed),
        cmocka_unit_test(peer_that_goes_aborts_its_request),
        cmocka_unit_test(body_that_goes_wrong_aborts_its_request),
        cmocka_unit_test(server_free_aborts_what_is_under_way),
        cmocka_unit_test(drain_closes_idle_connections_and_lets_others_finish),
        cmocka_unit_test(upgraded_connection_counts_until_it_is_closed),
        cmocka_unit_test(stream_tells_when_it_is_drained_and_keeps_the_connection),
        cmocka_unit_test(stream_is_drained_when_its_encoder_keeps_what_was_written),
        cmocka_unit_test(aborted_stream_has_no_end),
        cmocka_unit_test(stream_whose_peer_goes_is_closed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
