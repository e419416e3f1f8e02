#include "net/test_peer.h"
#include "ws/ws.h"
#include "ws/ws_parser.h"

#define HANDSHAKE                                                                                                      \
    "GET /socket HTTP/1.1\r\nHost: h\r\nX-Request-ID: id\r\nUpgrade: websocket\r\nConnection: keep-alive, Upgrade\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

struct app {
    struct loop *loop;
    struct http_server *server;
    struct ws_limits limits;
    struct ws *ws;
    bool accepted; // ws_accept has returned
    struct buf seen;
    unsigned drained, closed;
    bool close_on_message, free_on_message;
};

static void on_message(void *owner, enum ws_opcode opcode, const uint8_t *data, size_t len)
{
    struct app *app = owner;
    assert_true(app->accepted);
    buf_printf(&app->seen, "%d:%.*s ", (int)opcode, (int)len, data);
    if (app->close_on_message)
        ws_close(&app->ws, 4001, "enough");
    else if (app->free_on_message)
        ws_free(&app->ws);
    else
        ws_send(app->ws, opcode, data, len);
}

static void on_drained(void *owner)
{
    ((struct app *)owner)->drained++;
}

static void on_closed(void *owner, unsigned code)
{
    struct app *app = owner;
    app->closed = code;
    app->ws = NULL;
}

static const struct ws_handler handler = {.message = on_message, .drained = on_drained, .closed = on_closed};

static void app_request(void *arg, struct http_request *request)
{
    struct app *app = arg;
    app->ws = ws_accept(request, &app->limits, &handler, app);
    app->accepted = true;
}

static void app_start(struct app *app)
{
    *app = (struct app){.limits = {.message_max = 1000, .ping_every_ms = 20000, .pong_timeout_ms = 60000}};
    assert_int_equal(loop_new(&app->loop), 0);
    struct http_app interface = {.request = app_request, .app = app};
    struct http_limits limits = {.url_max = 256,
                                 .headers_max = 1024,
                                 .body_max = 4096,
                                 .connections_max = 4,
                                 .header_timeout_ms = 60000,
                                 .idle_timeout_ms = 60000,
                                 .send_timeout_ms = 60000};
    app->server = http_server_new(app->loop, &interface, &limits, NULL);
}

static void app_open(struct app *app, struct peer *peer)
{
    http_server_accept(app->server, &(struct http_accepted){.fd = peer_open(peer, app->loop)});
    peer_send_text(peer, HANDSHAKE);
    peer_wait_text(peer, "\r\n\r\n");
    assert_non_null(app->ws);
    buf_reset(&peer->got);
}

static void app_stop(struct app *app)
{
    ws_free(&app->ws);
    http_server_free(&app->server);
    loop_free(&app->loop);
    buf_release(&app->seen);
}

static void peer_send_frame(struct peer *peer, enum ws_opcode opcode, const char *data, size_t len)
{
    CLEANUP(buf_release) struct buf frame = {0};
    ws_frame_append(&frame, opcode, data, len, true);
    peer_send(peer, frame.data, frame.len);
}

// --- Handshake

static void handshake_answers_with_the_key_of_the_rfc(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    http_server_accept(app.server, &(struct http_accepted){.fd = peer_open(&peer, app.loop)});
    peer_send_text(&peer, HANDSHAKE);
    peer_wait_text(&peer, "\r\n\r\n");
    const char *got = buf_cstr(&peer.got);
    assert_memory_equal(got, "HTTP/1.1 101 Switching Protocols\r\n", 34);
    assert_non_null(strstr(got, "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n"));
    assert_non_null(strstr(got, "X-Request-ID: id\r\n"));
    assert_null(strstr(got, "Content-Length"));
    assert_null(strstr(got, "Connection: close"));
    assert_int_equal(http_server_connections(app.server), 0);
    peer_close(&peer);
    app_stop(&app);
}

// What else is offered may be a credential: it is never answered with.
static void only_the_real_subprotocol_is_selected_and_only_if_it_is_offered(void **state)
{
    (void)state;
    static const struct {
        const char *offered;
        bool selected;
    } cases[] = {
        {"runnel.v1", true},
        {"runnel.v1, runnel.ticket.secret", true},
        {"runnel.ticket.secret ,runnel.v1", true},
        {"runnel.ticket.secret\r\nSec-WebSocket-Protocol: runnel.v1", true},
        {"runnel.ticket.secret", false},
        {"runnel.v11, RUNNEL.V1", false},
        {"", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct app app;
        struct peer peer;
        CLEANUP(buf_release) struct buf handshake = {0};
        app_start(&app);
        http_server_accept(app.server, &(struct http_accepted){.fd = peer_open(&peer, app.loop)});
        buf_printf(&handshake, "%.*sSec-WebSocket-Protocol: %s\r\n\r\n", (int)strlen(HANDSHAKE) - 2, HANDSHAKE,
                   cases[i].offered);
        peer_send_text(&peer, buf_cstr(&handshake));
        peer_wait_text(&peer, "\r\n\r\n");
        const char *got = buf_cstr(&peer.got);
        assert_non_null(strstr(got, " 101 "));
        assert_int_equal(strstr(got, "\r\nSec-WebSocket-Protocol: runnel.v1\r\n") != NULL, cases[i].selected);
        assert_null(strstr(got, "secret"));
        peer_close(&peer);
        app_stop(&app);
    }
}

static void wrong_handshakes_are_refused(void **state)
{
    (void)state;
#define HEAD    "GET / HTTP/1.1\r\nHost: h\r\n"
#define KEY     "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
#define UPGRADE "Upgrade: websocket\r\nConnection: Upgrade\r\n"
    static const char *const cases[][2] = {
        {HEAD UPGRADE KEY "Sec-WebSocket-Version: 12\r\n\r\n", "HTTP/1.1 426"},
        {HEAD UPGRADE KEY "\r\n", "HTTP/1.1 426"},
        {HEAD KEY "Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n\r\n", "HTTP/1.1 426"},
        {HEAD KEY "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\r\n", "HTTP/1.1 426"},
        {"GET / HTTP/1.0\r\n" UPGRADE KEY "Sec-WebSocket-Version: 13\r\n\r\n", "HTTP/1.1 426"},
        {"POST / HTTP/1.1\r\nHost: h\r\n" UPGRADE KEY "Sec-WebSocket-Version: 13\r\n\r\n", "HTTP/1.1 405"},
        {HEAD UPGRADE "Sec-WebSocket-Version: 13\r\n\r\n", "HTTP/1.1 400"},
        {HEAD UPGRADE "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZQ==\r\n\r\n", "HTTP/1.1 400"},
        {HEAD UPGRADE "Sec-WebSocket-Version: 13\r\n" KEY KEY "\r\n", "HTTP/1.1 400"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct app app;
        struct peer peer;
        app_start(&app);
        http_server_accept(app.server, &(struct http_accepted){.fd = peer_open(&peer, app.loop)});
        peer_send_text(&peer, cases[i][0]);
        peer_wait_text(&peer, cases[i][1]);
        assert_null(app.ws);
        peer_close(&peer);
        app_stop(&app);
    }
}

static void frames_sent_with_the_handshake_come_after_accept(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    http_server_accept(app.server, &(struct http_accepted){.fd = peer_open(&peer, app.loop)});
    CLEANUP(buf_release) struct buf bytes = {0};
    buf_append_text(&bytes, HANDSHAKE);
    ws_frame_append(&bytes, WS_TEXT, "early", 5, true);
    ws_frame_append(&bytes, WS_TEXT, "bird", 4, true);
    peer_send(&peer, bytes.data, bytes.len - 3);
    loop_turns(app.loop, 2);
    peer_send(&peer, bytes.data + bytes.len - 3, 3);
    peer_wait_text(&peer, "\x81\x04"
                          "bird");
    assert_string_equal(buf_cstr(&app.seen), "1:early 1:bird ");
    peer_close(&peer);
    app_stop(&app);
}

// --- Messages

static void messages_and_pings_are_answered(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    app_open(&app, &peer);
    peer_send_frame(&peer, WS_TEXT, "abc", 3);
    peer_wait_text(&peer, "\x81\x03"
                          "abc");
    peer_send_frame(&peer, WS_PING, "p", 1);
    peer_wait_text(&peer, "\x8a\x01p");
    peer_send_frame(&peer, WS_BINARY, "\0\1", 2);
    peer_wait_bytes(&peer, 5 + 3 + 4);
    assert_memory_equal(peer.got.data + 8, "\x82\x02\0\1", 4);
    peer_close(&peer);
    app_stop(&app);
}

static void shared_frames_go_out_as_they_are(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    app_open(&app, &peer);
    CLEANUP(buf_release) struct buf frames = {0};
    ws_frame_append(&frames, WS_TEXT, "one", 3, false);
    ws_frame_append(&frames, WS_TEXT, "two", 3, false);
    struct payload *payload = payload_new(frames.data, frames.len);
    ws_send_frames(app.ws, payload, 5, 5);
    assert_int_equal(ws_pending(app.ws), 5);
    peer_wait_text(&peer, "\x81\x03two");
    assert_int_equal(peer.got.len, 5);
    assert_int_equal(payload->refs, 1);
    payload_unref(&payload);
    peer_close(&peer);
    app_stop(&app);
}

static void slow_reader_is_waited_for(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    app_open(&app, &peer);
    watch_set(peer.watch, 0);
    CLEANUP(buf_release) struct buf frame = {0};
    char text[1000];
    memset(text, 'x', sizeof(text));
    ws_frame_append(&frame, WS_TEXT, text, sizeof(text), false);
    struct payload *payload = payload_new(frame.data, frame.len);
    for (int i = 0; i < 2000; i++)
        ws_send_frames(app.ws, payload, 0, payload->len);
    loop_turns(app.loop, 2);
    assert_true(ws_pending(app.ws) > 0);
    assert_int_equal(app.drained, 1); // by the handshake's answer
    watch_set(peer.watch, WATCH_READ);
    peer_wait_bytes(&peer, 2000 * payload->len);
    loop_turns(app.loop, 1);
    assert_int_equal(ws_pending(app.ws), 0);
    assert_int_equal(app.drained, 2);
    for (size_t i = 0; i < 2000; i++)
        assert_memory_equal(peer.got.data + i * payload->len, payload->data, payload->len);
    payload_unref(&payload);
    peer_close(&peer);
    app_stop(&app);
}

// --- Ends

static void close_of_the_peer_is_echoed_and_told(void **state)
{
    (void)state;
    static const struct {
        const char *payload;
        size_t len;
        unsigned told;
    } cases[] = {{"\x03\xe8"
                  "bye",
                  5, 1000},
                 {"\x0f\xa0", 2, 4000},
                 {"", 0, 1005}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct app app;
        struct peer peer;
        app_start(&app);
        app_open(&app, &peer);
        peer_send_frame(&peer, WS_CLOSE, cases[i].payload, cases[i].len);
        peer_wait_end(&peer);
        size_t echoed = MIN(cases[i].len, 2u);
        assert_int_equal(peer.got.len, 2 + echoed);
        assert_int_equal((uint8_t)peer.got.data[0], 0x88);
        assert_memory_equal(peer.got.data + 2, cases[i].payload, echoed);
        assert_int_equal(app.closed, cases[i].told);
        peer_close(&peer);
        app_stop(&app);
    }
}

static void fault_is_closed_with_its_code_and_told_as_1006(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
        unsigned code;
    } cases[] = {
        {"\x81\x01"
         "a",
         3, 1002},                              // no mask
        {"\xc1\x81\0\0\0\0a", 7, 1002},         // reserved bit
        {"\x81\x81\0\0\0\0\xff", 7, 1007},      // not UTF-8
        {"\x81\xfe\x03\xe9\0\0\0\0a", 9, 1009}, // 1001 bytes
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct app app;
        struct peer peer;
        app_start(&app);
        app_open(&app, &peer);
        peer_send(&peer, cases[i].bytes, cases[i].len);
        peer_wait_end(&peer);
        assert_int_equal(peer.got.len, 4);
        assert_int_equal((uint8_t)peer.got.data[2] << 8 | (uint8_t)peer.got.data[3], cases[i].code);
        assert_int_equal(app.closed, 1006);
        assert_int_equal(app.seen.len, 0);
        peer_close(&peer);
        app_stop(&app);
    }
}

static void peer_that_goes_is_told_as_1006(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    app_open(&app, &peer);
    peer_close(&peer);
    loop_turns(app.loop, 3);
    assert_int_equal(app.closed, 1006);
    app_stop(&app);
}

static void close_from_this_side_waits_for_the_peer_and_tells_nothing(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    app.close_on_message = true;
    app_open(&app, &peer);
    peer_send_frame(&peer, WS_TEXT, "a", 1);
    peer_send_frame(&peer, WS_TEXT, "b", 1);
    peer_wait_text(&peer, "\x88\x08\x0f\xa1"
                          "enough");
    loop_turns(app.loop, 3);
    assert_null(app.ws);
    assert_false(peer.ended);
    assert_string_equal(buf_cstr(&app.seen), "1:a ");
    peer_send_frame(&peer, WS_CLOSE, "\x0f\xa1", 2);
    peer_wait_end(&peer);
    assert_int_equal(app.closed, 0);
    peer_close(&peer);
    app_stop(&app);
}

static void socket_that_waits_for_a_close_frame_is_freed_with_the_loop(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    app_open(&app, &peer);
    ws_close(&app.ws, 1001, NULL);
    peer_wait_text(&peer, "\x88\x02\x03\xe9");
    peer_close(&peer);
    app_stop(&app);
}

static void socket_may_be_freed_by_a_message(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    app.free_on_message = true;
    app_open(&app, &peer);
    peer_send_frame(&peer, WS_TEXT, "a", 1);
    peer_wait_end(&peer);
    assert_int_equal(app.closed, 0);
    peer_close(&peer);
    app_stop(&app);
}

static void peer_without_pongs_is_closed_1001(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    app.limits.ping_every_ms = 10;
    app.limits.pong_timeout_ms = 50;
    app_open(&app, &peer);
    peer_wait_text(&peer, "\x89");
    peer_wait_end(&peer);
    assert_int_equal(app.closed, 1006);
    assert_memory_equal(peer.got.data + peer.got.len - 4, "\x88\x02\x03\xe9", 4);
    peer_close(&peer);
    app_stop(&app);
}

static void pong_keeps_the_socket_alive(void **state)
{
    (void)state;
    struct app app;
    struct peer peer;
    app_start(&app);
    app.limits.ping_every_ms = 10;
    app.limits.pong_timeout_ms = 200;
    app_open(&app, &peer);
    uint64_t start = loop_now_ms(app.loop);
    for (size_t pings = 1; pings <= 50; pings++) {
        peer_wait_bytes(&peer, 2 * pings);
        peer_send_frame(&peer, WS_PONG, NULL, 0);
    }
    loop_turns(app.loop, 2);
    assert_non_null(app.ws);
    assert_true(loop_now_ms(app.loop) >= start + 400); // twice the time that it may be silent
    peer_close(&peer);
    app_stop(&app);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(handshake_answers_with_the_key_of_the_rfc),
        cmocka_unit_test(only_the_real_subprotocol_is_selected_and_only_if_it_is_offered),
        cmocka_unit_test(wrong_handshakes_are_refused),
        cmocka_unit_test(frames_sent_with_the_handshake_come_after_accept),
        cmocka_unit_test(messages_and_pings_are_answered),
        cmocka_unit_test(shared_frames_go_out_as_they_are),
        cmocka_unit_test(slow_reader_is_waited_for),
        cmocka_unit_test(close_of_the_peer_is_echoed_and_told),
        cmocka_unit_test(fault_is_closed_with_its_code_and_told_as_1006),
        cmocka_unit_test(peer_that_goes_is_told_as_1006),
        cmocka_unit_test(close_from_this_side_waits_for_the_peer_and_tells_nothing),
        cmocka_unit_test(socket_that_waits_for_a_close_frame_is_freed_with_the_loop),
        cmocka_unit_test(socket_may_be_freed_by_a_message),
        cmocka_unit_test(peer_without_pongs_is_closed_1001),
        cmocka_unit_test(pong_keeps_the_socket_alive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
