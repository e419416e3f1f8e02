// Followers by their routes, over a real store: what they get, in which order, and how they end.
#include "api/test_live_house.h"
#include "ws/ws_parser.h"

static int64_t make(struct live_house *it, const char *id)
{
    return fixture_create(it->fixture, it->account, id, STATUS_RUNNING);
}

// `count` records from `first` on.
static void append(struct live_house *it, int64_t row, uint64_t first, uint32_t count)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(first, count, 20, 1000);
    struct store_append append = fixture_append(it->fixture, row, "runner", first, chunk);
    assert_int_equal(append.op.err, 0);
    store_op_release(&append.op);
}

static void seal(struct live_house *it, int64_t row)
{
    struct store_complete complete = {
        .op.kind = STORE_COMPLETE, .row = row, .status = STATUS_COMPLETED, .has_exit_code = true, .exit_code = 3};
    assert_int_equal(fixture_run(it->fixture, &complete.op), 0);
    store_op_release(&complete.op);
}

static void follow(struct live_house *it, struct peer *peer, const char *secret, const char *line)
{
    CLEANUP(buf_release) struct buf request = {0};
    buf_printf(&request, "GET %s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n", line, secret);
    if (strncmp(line, "/ws/", 4) == 0)
        buf_append_text(&request, "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
                                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n");
    buf_append_text(&request, "\r\n");
    house_connect(&it->house, peer);
    peer_send(peer, request.data, request.len);
}

// The numbers of the records that came are 0, 1, 2 … without a hole, each once.
static void assert_numbers(const struct peer *peer, uint64_t count)
{
    static const char name[] = "\"sequence_number\":";
    const char *at = peer->got.data, *end = at + peer->got.len;
    for (uint64_t i = 0; i < count; i++) {
        at = memmem(at, (size_t)(end - at), name, strlen(name));
        assert_non_null(at);
        at += strlen(name);
        CLEANUP(free_ptr) char *number = xasprintf("%llu,", (unsigned long long)i);
        assert_memory_equal(at, number, strlen(number));
    }
    assert_null(memmem(at, (size_t)(end - at), name, strlen(name)));
}

// --- Server-sent events

static void what_is_there_comes_first_then_what_comes_then_the_end(void **state)
{
    struct live_house *it = *state;
    struct peer peer;
    int64_t row = make(it, "e");
    append(it, row, 0, 3);
    follow(it, &peer, live_key(it, it->account, ROLE_VIEWER), "/api/v1/executions/e/logs/stream");
    peer_wait_text(&peer, "\"sequence_number\":2,");
    assert_true(peer_got(&peer, "content-type: text/event-stream") ||
                peer_got(&peer, "Content-Type: text/event-stream"));
    append(it, row, 3, 2);
    peer_wait_text(&peer, "\"sequence_number\":4,");
    assert_false(peer_got(&peer, "event: complete"));
    seal(it, row);
    peer_wait_text(&peer, "event: complete");
    peer_wait_text(&peer, "\"exit_code\":3,\"status\":\"completed\",\"final_sequence\":4}");
    assert_true(peer_got(&peer, "id: 5\n"));
    assert_numbers(&peer, 5);
    peer_close(&peer);
}

static void who_has_seen_the_end_is_told_not_to_come_back(void **state)
{
    struct live_house *it = *state;
    const char *viewer = live_key(it, it->account, ROLE_VIEWER), *get = "GET /api/v1/executions/e/logs/stream";
    int64_t row = make(it, "e");
    append(it, row, 0, 3);
    assert_int_equal(live_ask(it, viewer, "HEAD /api/v1/executions/e/logs/stream", "Last-Event-ID: 3\r\n", NULL), 200);
    seal(it, row);
    assert_int_equal(live_ask(it, viewer, get, "Last-Event-ID: 3\r\n", NULL), 204);
    assert_int_equal(live_ask(it, viewer, get, "Last-Event-ID: x\r\n", NULL), 400);
    assert_refused(it, "bad_cursor", "Last-Event-ID");
}

static void who_comes_back_goes_on_behind_what_it_has_seen(void **state)
{
    struct live_house *it = *state;
    const char *viewer = live_key(it, it->account, ROLE_VIEWER);
    int64_t row = make(it, "e");
    append(it, row, 0, 3);
    seal(it, row);
    assert_int_equal(live_ask(it, viewer, "GET /api/v1/executions/e/logs/stream", "Last-Event-ID: 1\r\n", NULL), 200);
    assert_null(strstr(buf_cstr(&it->answer), "\"sequence_number\":1,"));
    assert_non_null(strstr(buf_cstr(&it->answer), "\"sequence_number\":2,"));
    assert_non_null(strstr(buf_cstr(&it->answer), "event: complete"));
}

// --- WebSocket

static void a_socket_gets_records_state_and_the_end_with_its_code(void **state)
{
    struct live_house *it = *state;
    struct peer peer;
    int64_t row = make(it, "e");
    append(it, row, 0, 2);
    follow(it, &peer, live_key(it, it->account, ROLE_VIEWER), "/ws/executions/e/logs");
    peer_wait_text(&peer, "101 Switching Protocols");
    peer_wait_text(&peer,
                   "{\"type\":\"state\",\"status\":\"running\",\"runner_connected\":false,\"lag_records\":null}");
    append(it, row, 2, 1);
    peer_wait_text(&peer, "\"sequence_number\":2,");
    seal(it, row);
    peer_wait_text(&peer, "{\"type\":\"complete\",\"execution_id\":\"e\",\"exit_code\":3,\"status\":\"completed\","
                          "\"final_sequence\":2}");
    peer_wait_text(&peer, "\x03\xe8"
                          "complete"); // 1000
    peer_close(&peer);
}

static void a_socket_for_what_is_not_there_says_so_and_closes(void **state)
{
    struct live_house *it = *state;
    struct peer peer;
    fixture_create(it->fixture, fixture_account(it->fixture, "theirs"), "e", STATUS_RUNNING);
    follow(it, &peer, live_key(it, it->account, ROLE_VIEWER), "/ws/executions/e/logs");
    peer_wait_text(&peer, "101 Switching Protocols");
    peer_wait_text(&peer, "{\"type\":\"error\",\"execution_id\":\"e\",\"code\":\"not_found\"");
    peer_wait_text(&peer, "\x11\x34"); // 4404
    peer_close(&peer);
}

static void a_socket_whose_records_are_purged_is_told(void **state)
{
    struct live_house *it = *state;
    struct peer peer;
    int64_t row = make(it, "e");
    append(it, row, 0, 2);
    follow(it, &peer, live_key(it, it->account, ROLE_VIEWER), "/ws/executions/e/logs?from=7");
    peer_wait_text(&peer, "\"type\":\"state\"");
    struct store_account_change change = {
        .op.kind = STORE_ACCOUNT_CHANGE, .name = STR("ours"), .state = ACCOUNT_DELETED, .purge = true};
    assert_int_equal(fixture_run(it->fixture, &change.op), 0);
    peer_wait_text(&peer, "\"code\":\"expired\"");
    peer_wait_text(&peer, "\x11\x3a"); // 4410
    peer_close(&peer);
}

// --- Plain streams

static void a_plain_stream_that_follows_ends_whole_at_the_seal(void **state)
{
    struct live_house *it = *state;
    struct peer peer;
    int64_t row = make(it, "e");
    append(it, row, 0, 2);
    follow(it, &peer, live_key(it, it->account, ROLE_VIEWER), "/api/v1/executions/e/logs?format=ndjson&follow=true");
    peer_wait_text(&peer, "\"sequence_number\":1,");
    append(it, row, 2, 2);
    peer_wait_text(&peer, "\"sequence_number\":3,");
    seal(it, row);
    peer_wait_text(&peer, "\"type\":\"complete\"");
    peer_wait_text(&peer, "\r\n0\r\n\r\n"); // the last chunk of a whole answer
    assert_numbers(&peer, 4);
    peer_close(&peer);
}

// --- Places and tickets

static void an_account_has_so_many_followers_and_each_gives_its_place_back(void **state)
{
    struct live_house *it = *state;
    const char *viewer = live_key(it, it->account, ROLE_VIEWER);
    const char *get = "GET /api/v1/executions/e/logs?format=text";
    struct peer peers[HOUSE_FOLLOWERS_MAX];
    append(it, make(it, "e"), 0, 1);
    for (size_t i = 0; i < ARRAY_LEN(peers); i++) {
        follow(it, &peers[i], viewer, "/ws/executions/e/logs");
        peer_wait_text(&peers[i], "\"type\":\"state\"");
    }
    assert_int_equal(ASK(it, viewer, get), 429);
    assert_refused(it, "too_many_requests", "as many followers as it may");
    assert_int_equal(ASK(it, viewer, "GET /api/v1/executions/e/logs"), 200); // a page is none
    for (size_t i = 0; i < ARRAY_LEN(peers); i++)
        peer_close(&peers[i]);
    loop_turns(it->house.loop, 4);
    for (size_t i = 0; i < 2 * ARRAY_LEN(peers); i++)
        assert_int_equal(ASK(it, viewer, get), 200); // and it ends by itself
}

static void a_ticket_opens_the_stream_that_it_was_used_for_first(void **state)
{
    struct live_house *it = *state;
    const char *viewer = live_key(it, it->account, ROLE_VIEWER);
    seal(it, make(it, "e"));
    seal(it, make(it, "other"));
    assert_int_equal(ASK(it, viewer, "POST /api/v1/tickets"), 201);
    CLEANUP(free_ptr) char *ticket = xstrdup(live_text(it, "ticket"));
    CLEANUP(free_ptr) char *line = xasprintf("GET /api/v1/executions/e/logs/stream?access_token=%s", ticket);
    CLEANUP(free_ptr) char *other = xasprintf("GET /api/v1/executions/other/logs/stream?access_token=%s", ticket);
    assert_int_equal(ASK(it, NULL, line), 200);
    assert_int_equal(ASK(it, NULL, line), 200); // the client comes back
    assert_int_equal(ASK(it, NULL, other), 401);
    CLEANUP(free_ptr) char *key = xasprintf("GET /api/v1/executions/e/logs/stream?access_token=%s", viewer);
    assert_int_equal(ASK(it, NULL, key), 401); // a key has no place in a URL
}

static void a_revoked_keys_streams_end(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN), *viewer = live_key(it, it->account, ROLE_VIEWER);
    struct peer peer;
    make(it, "e");
    follow(it, &peer, viewer, "/ws/executions/e/logs");
    peer_wait_text(&peer, "\"type\":\"state\"");
    assert_int_equal(ASK(it, admin, "DELETE /api/v1/keys/key_1"), 200);
    peer_wait_text(&peer, "\x11\x31"); // 4401
    peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(what_is_there_comes_first_then_what_comes_then_the_end),
        LIVE_TEST(who_has_seen_the_end_is_told_not_to_come_back),
        LIVE_TEST(who_comes_back_goes_on_behind_what_it_has_seen),
        LIVE_TEST(a_socket_gets_records_state_and_the_end_with_its_code),
        LIVE_TEST(a_socket_for_what_is_not_there_says_so_and_closes),
        LIVE_TEST(a_socket_whose_records_are_purged_is_told),
        LIVE_TEST(a_plain_stream_that_follows_ends_whole_at_the_seal),
        LIVE_TEST(an_account_has_so_many_followers_and_each_gives_its_place_back),
        LIVE_TEST(a_ticket_opens_the_stream_that_it_was_used_for_first),
        LIVE_TEST(a_revoked_keys_streams_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
