// Bodies that are handed on in parts, and answers whose length is known.
#include "http/compress.h"
#include "http/test_app.h"

struct taker {
    struct app app;
    struct http_request *request;
    struct buf taken;
    size_t pause_at; // the body is paused when so much has come; 0: never
    uint64_t max;
    bool whole, aborted;
    uint64_t announced;
};

static void on_body_data(void *owner, const void *data, size_t len)
{
    struct taker *taker = owner;
    buf_append(&taker->taken, data, len);
    if (taker->pause_at > 0 && taker->taken.len >= taker->pause_at)
        http_pause_body(taker->request, true);
}

static void on_body_end(void *owner)
{
    struct taker *taker = owner;
    taker->whole = true;
    http_on_abort(taker->request, NULL, NULL);
    http_respond(taker->request, 201, "text/plain", taker->taken.data, taker->taken.len);
}

static const struct http_body_handler body_handler = {on_body_data, on_body_end};

static void on_body_abort(void *arg)
{
    struct taker *taker = arg;
    taker->aborted = true;
    taker->request = NULL;
}

static void take_head(void *arg, struct http_request *request)
{
    struct taker *taker = arg;
    taker->request = request;
    taker->announced = http_body_length(request);
    http_on_abort(request, on_body_abort, taker);
    http_read_body_by(request, taker->max, &body_handler, taker);
}

static void take_request(void *arg, struct http_request *request)
{
    struct taker *taker = arg;
    struct app *app = &taker->app;
    app->stream = http_stream_begin_sized(request, 206, "text/plain", 10, &stream_handler, app);
    http_stream_write(app->stream, "12345", 5);
    if (str_eq(http_path(request), STR("/whole")))
        http_stream_write(app->stream, "67890", 5);
    http_stream_end(&app->stream);
}

static void taker_start(struct taker *taker, struct peer *peer)
{
    *taker = (struct taker){.max = 1000000};
    assert_int_equal(loop_new(&taker->app.loop), 0);
    struct http_app interface = {.head = take_head, .request = take_request, .app = taker};
    taker->app.server = http_server_new(taker->app.loop, &interface, &default_limits, NULL);
    app_connect(&taker->app, peer);
}

static void taker_stop(struct taker *taker, struct peer *peer)
{
    peer_close(peer);
    app_stop(&taker->app);
    buf_release(&taker->taken);
}

#define HEAD(framing) "PUT /x HTTP/1.1\r\nHost: h\r\n" framing "\r\n\r\n"

static void a_body_beyond_body_max_is_taken_in_parts(void **state)
{
    (void)state;
    struct taker taker;
    struct peer peer;
    taker_start(&taker, &peer);
    peer_send_text(&peer, HEAD("Content-Length: 20000"));
    char piece[1000];
    memset(piece, 'b', sizeof(piece));
    for (int i = 0; i < 20; i++) {
        peer_send(&peer, piece, sizeof(piece));
        loop_turns(taker.app.loop, 2);
    }
    peer_wait_text(&peer, "HTTP/1.1 201 Created");
    assert_true(taker.whole);
    assert_int_equal(taker.announced, 20000);
    assert_int_equal(taker.taken.len, 20000);
    peer_send_text(&peer, "GET /whole HTTP/1.1\r\nHost: h\r\n\r\n"); // the connection serves on
    peer_wait_text(&peer, "1234567890");
    taker_stop(&taker, &peer);
}

static void chunks_are_taken_in_parts_too(void **state)
{
    (void)state;
    struct taker taker;
    struct peer peer;
    taker_start(&taker, &peer);
    peer_send_text(&peer, HEAD("Transfer-Encoding: chunked") "3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n");
    peer_wait_text(&peer, "abcdefg");
    assert_int_equal(taker.announced, 0);
    taker_stop(&taker, &peer);
}

static void a_longer_body_than_was_allowed_is_refused(void **state)
{
    (void)state;
    static const char *const heads[] = {HEAD("Content-Length: 11"),
                                        HEAD("Transfer-Encoding: chunked") "8\r\n12345678\r\n3\r\nabc\r\n"};
    for (size_t i = 0; i < ARRAY_LEN(heads); i++) {
        struct taker taker;
        struct peer peer;
        taker_start(&taker, &peer);
        taker.max = 10;
        peer_send_text(&peer, heads[i]);
        peer_wait_text(&peer, "HTTP/1.1 413");
        assert_true(taker.aborted && !taker.whole);
        taker_stop(&taker, &peer);
    }
}

static void a_paused_body_is_not_read_and_goes_on_without_loss(void **state)
{
    (void)state;
    struct taker taker;
    struct peer peer;
    taker_start(&taker, &peer);
    taker.pause_at = 1;
    peer_send_text(&peer, HEAD("Content-Length: 300000"));
    loop_turns(taker.app.loop, 3);
    CLEANUP(buf_release) struct buf body = {0};
    for (uint32_t i = 0; body.len < 300000; i++)
        buf_printf(&body, "%05u ", i);
    size_t sent = 0;
    while (!taker.whole) {
        ssize_t wrote = send(peer.fd, body.data + sent, 300000 - sent, MSG_NOSIGNAL | MSG_DONTWAIT);
        sent += wrote > 0 ? (size_t)wrote : 0;
        size_t before = taker.taken.len;
        loop_turns(taker.app.loop, 3);
        // What one read brings is handed on; then nothing more is read.
        assert_true(taker.taken.len - before <= 2 * LOOP_SCRATCH_SIZE);
        if (taker.whole)
            break;
        size_t paused_at = taker.taken.len;
        loop_turns(taker.app.loop, 5);
        assert_int_equal(taker.taken.len, paused_at);
        if (taker.taken.len > 0)
            http_pause_body(taker.request, false);
    }
    assert_int_equal(taker.taken.len, 300000);
    assert_memory_equal(taker.taken.data, body.data, 300000);
    taker_stop(&taker, &peer);
}

static void a_body_that_is_not_wanted_any_more_is_answered_and_the_connection_ends(void **state)
{
    (void)state;
    struct taker taker;
    struct peer peer;
    taker_start(&taker, &peer);
    peer_send_text(&peer, HEAD("Content-Length: 1000") "some");
    while (taker.taken.len < 4)
        loop_turns(taker.app.loop, 1);
    http_on_abort(taker.request, NULL, NULL);
    http_stop_body(taker.request);
    http_respond_error(taker.request, ERR_STORE_FULL, NULL);
    peer_wait_text(&peer, "HTTP/1.1 507");
    peer_wait_end(&peer);
    taker_stop(&taker, &peer);
}

static void the_owner_hears_when_the_client_goes_in_the_middle(void **state)
{
    (void)state;
    struct taker taker;
    struct peer peer;
    taker_start(&taker, &peer);
    peer_send_text(&peer, HEAD("Content-Length: 1000") "some");
    while (taker.taken.len < 4)
        loop_turns(taker.app.loop, 1);
    peer_close(&peer);
    while (!taker.aborted)
        loop_turns(taker.app.loop, 1);
    assert_false(taker.whole);
    app_stop(&taker.app);
    buf_release(&taker.taken);
}

static void an_answer_that_ends_short_of_its_length_ends_the_connection(void **state)
{
    (void)state;
    struct taker taker;
    struct peer peer;
    taker_start(&taker, &peer);
    peer_send_text(&peer, "GET /short HTTP/1.1\r\nHost: h\r\n\r\n");
    peer_wait_text(&peer, "Content-Length: 10\r\n");
    peer_wait_end(&peer);
    assert_true(peer_got(&peer, "12345"));
    taker_stop(&taker, &peer);
}

// --- Content codings

struct coded {
    struct app app;
    struct peer peer;
};

static void coded_start(struct coded *test, size_t body_max)
{
    struct http_limits limits = default_limits;
    limits.body_max = body_max;
    app_start(&test->app, &limits);
    app_connect(&test->app, &test->peer);
}

static void coded_stop(struct coded *test)
{
    peer_close(&test->peer);
    app_stop(&test->app);
}

static void encode(enum http_coding coding, struct str text, struct buf *out)
{
    CLEANUP(http_encoder_free) struct http_encoder *encoder = http_encoder_new(coding);
    http_encoder_write(encoder, text.data, text.len, out);
    http_encoder_finish(encoder, out);
}

static void send_coded(struct coded *test, const char *coding, struct str body)
{
    CLEANUP(buf_release) struct buf head = {0};
    buf_printf(&head, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Encoding: %s\r\nContent-Length: %zu\r\n\r\n", coding,
               body.len);
    buf_append_str(&head, body);
    peer_send(&test->peer, head.data, head.len);
}

static void an_encoded_body_is_decoded_and_the_connection_serves_on(void **state)
{
    (void)state;
    static const enum http_coding codings[] = {CODING_GZIP, CODING_ZSTD};
    struct coded test;
    CLEANUP(buf_release) struct buf text = {0};
    while (text.len < 900000) // several steps, and several turns of the loop
        buf_printf(&text, "line %zu\n", text.len / 50000);
    coded_start(&test, 1 << 20);
    for (size_t i = 0; i < ARRAY_LEN(codings); i++) {
        CLEANUP(buf_release) struct buf encoded = {0};
        encode(codings[i], buf_str(&text), &encoded);
        buf_reset(&test.peer.got);
        send_coded(&test, http_coding_name(codings[i]), buf_str(&encoded));
        peer_send_text(&test.peer, "GET /behind" GET_TAIL "\r\n"); // it waits until the body is decoded
        peer_wait_text(&test.peer, "X-Method: GET");
        peer_wait_text(&test.peer, "/behind");
        assert_true(peer_got(&test.peer, "Content-Length: 900"));
        const char *start = memmem(test.peer.got.data, test.peer.got.len, "\r\n\r\n", 4);
        assert_non_null(start);
        assert_memory_equal(start + 4, text.data, text.len);
    }
    assert_int_equal(test.app.requests, 4);
    coded_stop(&test);
}

static void an_encoded_body_may_come_in_chunks_and_its_peer_may_half_close(void **state)
{
    (void)state;
    struct coded test;
    CLEANUP(buf_release) struct buf text = {0};
    CLEANUP(buf_release) struct buf encoded = {0};
    CLEANUP(buf_release) struct buf request = {0};
    while (text.len < 500000)
        buf_append_text(&text, "the same again and again\n");
    encode(CODING_GZIP, buf_str(&text), &encoded);
    coded_start(&test, 1 << 20);
    buf_append_text(&request, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nTransfer-Encoding: "
                              "chunked\r\n\r\n");
    for (size_t at = 0; at < encoded.len; at += 100) {
        size_t part = MIN(encoded.len - at, (size_t)100);
        buf_printf(&request, "%zx\r\n", part);
        buf_append(&request, encoded.data + at, part);
        buf_append_text(&request, "\r\n");
    }
    buf_append_text(&request, "0\r\n\r\n");
    peer_send(&test.peer, request.data, request.len);
    shutdown(test.peer.fd, SHUT_WR);
    peer_wait_end(&test.peer);
    assert_true(peer_got(&test.peer, "Content-Length: 500000"));
    coded_stop(&test);
}

static void what_cannot_be_decoded_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *coding, *body, *answer, *text;
    } cases[] = {
        {"gzip", "plain text", "HTTP/1.1 400 ", "is not what its Content-Encoding says"},
        {"zstd", "plain text", "HTTP/1.1 400 ", "is not what its Content-Encoding says"},
        {"gzip", "\x1f\x8b\x08", "HTTP/1.1 400 ", "is cut off"},
        {"br", "text", "HTTP/1.1 415 ", "Accept-Encoding: gzip, zstd\r\n"},
        {"gzip, zstd", "text", "HTTP/1.1 415 ", "one Content-Encoding"},
        {"gzip\r\nContent-Encoding: gzip", "text", "HTTP/1.1 415 ", "one Content-Encoding"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct coded test;
        coded_start(&test, 4096);
        send_coded(&test, cases[i].coding, str_of(cases[i].body));
        peer_wait_text(&test.peer, cases[i].answer);
        peer_wait_end(&test.peer);
        assert_true(peer_got(&test.peer, cases[i].text));
        assert_int_equal(test.app.requests, 0);
        coded_stop(&test);
    }
}

// The rest of it has not come when it is refused.
static void a_bomb_is_refused_as_soon_as_it_is_seen(void **state)
{
    (void)state;
    struct coded test;
    CLEANUP(buf_release) struct buf text = {0};
    CLEANUP(buf_release) struct buf encoded = {0};
    buf_reserve(&text, 4000000);
    memset(text.data, 0, 4000000);
    text.len = 4000000;
    encode(CODING_GZIP, buf_str(&text), &encoded);
    assert_true(encoded.len < 20000);
    coded_start(&test, 100000);
    CLEANUP(buf_release) struct buf head = {0};
    buf_printf(&head, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
               encoded.len);
    buf_append(&head, encoded.data, encoded.len / 2);
    peer_send(&test.peer, head.data, head.len);
    peer_wait_text(&test.peer, "HTTP/1.1 413 ");
    peer_wait_end(&test.peer);
    assert_int_equal(test.app.requests, 0);
    coded_stop(&test);
}

static void an_encoded_body_may_be_as_long_as_a_plain_one_and_no_longer(void **state)
{
    (void)state;
    for (size_t len = 3999; len <= 4001; len++) {
        struct coded test;
        CLEANUP(buf_release) struct buf text = {0};
        CLEANUP(buf_release) struct buf encoded = {0};
        buf_reserve(&text, len);
        memset(text.data, 'x', len);
        text.len = len;
        encode(CODING_ZSTD, buf_str(&text), &encoded);
        coded_start(&test, 4000);
        send_coded(&test, "zstd", buf_str(&encoded));
        peer_wait_text(&test.peer, len <= 4000 ? "HTTP/1.1 200 " : "HTTP/1.1 413 ");
        coded_stop(&test);
    }
}

static void take_more(void *arg, struct http_request *request)
{
    (void)arg;
    http_read_body_max(request, 10000);
}

static void a_body_may_have_a_limit_of_its_own(void **state)
{
    (void)state;
    for (size_t len = 10000; len <= 10001; len++) {
        struct coded test = {0};
        assert_int_equal(loop_new(&test.app.loop), 0);
        struct http_app interface = {.head = take_more, .request = app_request, .app = &test.app};
        test.app.server = http_server_new(test.app.loop, &interface, &default_limits, NULL);
        app_connect(&test.app, &test.peer);
        char body[10000] = "";
        CLEANUP(buf_release) struct buf request = {0};
        buf_printf(&request, "POST /echo HTTP/1.1\r\nHost: h\r\nContent-Length: %zu\r\n\r\n", len);
        buf_append(&request, body, sizeof(body));
        peer_send(&test.peer, request.data, request.len);
        peer_wait_text(&test.peer, len == 10000 ? "HTTP/1.1 200 " : "HTTP/1.1 413 ");
        coded_stop(&test);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_beyond_body_max_is_taken_in_parts),
        cmocka_unit_test(chunks_are_taken_in_parts_too),
        cmocka_unit_test(a_longer_body_than_was_allowed_is_refused),
        cmocka_unit_test(a_paused_body_is_not_read_and_goes_on_without_loss),
        cmocka_unit_test(a_body_that_is_not_wanted_any_more_is_answered_and_the_connection_ends),
        cmocka_unit_test(the_owner_hears_when_the_client_goes_in_the_middle),
        cmocka_unit_test(an_answer_that_ends_short_of_its_length_ends_the_connection),
        cmocka_unit_test(an_encoded_body_is_decoded_and_the_connection_serves_on),
        cmocka_unit_test(an_encoded_body_may_come_in_chunks_and_its_peer_may_half_close),
        cmocka_unit_test(what_cannot_be_decoded_is_refused),
        cmocka_unit_test(a_bomb_is_refused_as_soon_as_it_is_seen),
        cmocka_unit_test(an_encoded_body_may_be_as_long_as_a_plain_one_and_no_longer),
        cmocka_unit_test(a_body_may_have_a_limit_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
