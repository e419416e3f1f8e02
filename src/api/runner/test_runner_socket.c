// A runner's socket from its first byte on: a real HTTP server on a socket pair, and a store that answers when the test
// says so.
#include "api/routes.h"
#include "api/test_api.h"
#include "ws/ws_parser.h"

#include <xxhash.h>

static int set_up(void **state)
{
    return fixture_new(state, api_routes);
}

static void answer_claim(struct fixture *it, int err)
{
    struct store_claim *claim = TAKE(it, STORE_CLAIM, store_claim);
    assert_int_equal(claim->row, ROW);
    assert_int_equal(claim->node, hub_node(it->house.hub));
    commit_something(it);
    if (err == 0)
        claim->ret_execution.epoch = ++it->epoch;
    stub_answer(&claim->op, err);
}

static void answer_producer(struct store_producer *query, uint64_t next)
{
    query->ret_producer.next = next;
    stub_answer(&query->op, 0);
}

// --- The runner's end

// As far as the store has said who it is and what it is about.
static void arrives_with(struct fixture *it, struct peer *peer, const struct key *key, uint64_t epoch,
                         const char *header)
{
    char request[1024], query[64] = "";
    if (epoch)
        snprintf(query, sizeof(query), "?epoch=%llu", (unsigned long long)epoch);
    snprintf(request, sizeof(request),
             "GET /ws/runner/executions/e/stream%s HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
             "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Version: 13\r\n%s\r\n",
             query, key->secret, header);
    house_connect(&it->house, peer);
    peer_send_text(peer, request);
    answer_key(it, key);
    stub_answer(take(it, STORE_KEY_USED), 0);
    answer_execution(it);
}

static void arrives(struct fixture *it, struct peer *peer, const struct key *key, uint64_t epoch)
{
    arrives_with(it, peer, key, epoch, "");
}

static void becomes_the_runner(struct fixture *it, struct peer *peer)
{
    struct key key = key_new(it);
    arrives(it, peer, &key, 0);
    answer_claim(it, 0);
    answer_producer(TAKE(it, STORE_PRODUCER, store_producer), 0);
    peer_wait_text(peer, "\"ready\"");
}

// One chunk of one line, as a runner records it: changed at `at`, with the checksum that goes with it. See
// docs/internals/chunk.md for its first bytes.
static void say_chunk(struct peer *peer, size_t at, uint8_t bits)
{
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    CLEANUP(buf_release) struct buf frame = {0}, message = {0};
    const struct record record = {.time_ms = 1, .message = STR("m")};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    buf_append_le64(&message, 0);
    buf_append_str(&message, chunk_encoded(chunk));
    char *encoded = message.data + 8;
    size_t len = message.len - 8;
    encoded[at] = (char)(encoded[at] | bits);
    uint64_t seed = (uint8_t)encoded[0] | (uint64_t)(uint8_t)encoded[1] << 8 | (uint64_t)(uint8_t)encoded[2] << 16;
    uint64_t checksum = XXH3_64bits_withSeed(encoded + 11, len - 11, seed);
    for (unsigned i = 0; i < 8; i++)
        encoded[3 + i] = (char)(checksum >> 8 * i);
    ws_frame_append(&frame, WS_BINARY, message.data, message.len, true);
    peer_send(peer, frame.data, frame.len);
}

static void say(struct peer *peer, const char *text)
{
    CLEANUP(buf_release) struct buf frame = {0};
    ws_frame_append(&frame, WS_TEXT, text, strlen(text), true);
    peer_send(peer, frame.data, frame.len);
}

// --- Tests

static void what_it_sends_carries_its_epoch(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    it->epoch = 4;
    struct key key = key_new(it);
    arrives(it, &peer, &key, 4);
    answer_return(it, 4, 0);
    answer_producer(TAKE(it, STORE_PRODUCER, store_producer), 2);
    peer_wait_text(&peer, "\"epoch\":4");
    say(&peer, "{\"type\":\"log\",\"execution_id\":\"e\",\"sequence_number\":2,\"message\":\"m\"}");
    struct store_append *append = TAKE(it, STORE_APPEND, store_append);
    assert_int_equal(append->epoch, 4);
    append->ret_producer_next = 3;
    append->ret_appended = 1;
    stub_answer(&append->op, 0);
    peer_wait_text(&peer, "\"ack\"");
    say(&peer, "{\"type\":\"complete\",\"execution_id\":\"e\",\"exit_code\":0,\"final_sequence\":2}");
    struct store_complete *complete = TAKE(it, STORE_COMPLETE, store_complete);
    assert_int_equal(complete->row, ROW);
    assert_int_equal(complete->epoch, 4);
    assert_true(complete->has_final);
    assert_int_equal(complete->final, 2);
    complete->ret_execution.next_sequence = 3;
    complete->ret_producer = (struct sequence_producer){.next = 3, .digest = 0xabc};
    stub_answer(&complete->op, 0);
    peer_wait_text(&peer, "\"completed\"");
    peer_wait_text(&peer, "\"final_sequence\":2,\"next_sequence\":3,\"digest\":\"0000000000000abc\"");
    peer_close(&peer);
}

static void a_chunk_of_a_newer_program_is_refused_as_that(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    becomes_the_runner(it, &peer);
    peer_wait_text(&peer, "\"chunk_versions\":[2]");
    say_chunk(&peer, 11, 0x08); // a flag that must be understood
    peer_wait_text(&peer, "\"code\":\"too_new\"");
    peer_wait_text(&peer, "update the server");
    say_chunk(&peer, 2, 0x40);  // version 66
    say_chunk(&peer, 11, 0x80); // one that may be ignored
    struct store_append *append = TAKE(it, STORE_APPEND, store_append);
    append->ret_producer_next = append->ret_appended = 1;
    stub_answer(&append->op, 0);
    peer_wait_text(&peer, "\"ack\"");
    const char *refused = memmem(peer.got.data, peer.got.len, "too_new", 7), *end = peer.got.data + peer.got.len;
    assert_non_null(memmem(refused + 1, (size_t)(end - refused) - 1, "too_new", 7)); // both
    peer_close(&peer);
}

static void a_complete_without_a_count_is_for_what_was_taken_in(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    becomes_the_runner(it, &peer);
    say(&peer, "{\"type\":\"log\",\"execution_id\":\"e\",\"sequence_number\":0,\"message\":\"m\"}");
    say(&peer, "{\"type\":\"complete\",\"execution_id\":\"e\",\"exit_code\":0}");
    struct store_append *append = TAKE(it, STORE_APPEND, store_append);
    struct store_complete *complete = TAKE(it, STORE_COMPLETE, store_complete);
    assert_true(complete->has_final);
    assert_int_equal(complete->final, 0);
    peer_close(&peer); // the answers find nobody
    loop_turns(it->loop, 4);
    append->ret_producer_next = append->ret_appended = 1;
    stub_answer(&append->op, 0);
    stub_answer(&complete->op, 0);
}

static void a_claim_that_is_refused_keeps_no_place(void **state)
{
    struct fixture *it = *state;
    struct peer first, second;
    struct key key = key_new(it), other = key_new(it);
    arrives(it, &first, &key, 0);
    answer_claim(it, ERR_UNAVAILABLE);
    peer_wait_text(&first, "HTTP/1.1 503");
    arrives(it, &second, &other, 0);
    answer_claim(it, 0);
    answer_producer(TAKE(it, STORE_PRODUCER, store_producer), 0);
    peer_wait_text(&second, "\"ready\"");
    peer_close(&first);
    peer_close(&second);
}

static void a_connection_whose_place_was_taken_on_its_way_is_refused(void **state)
{
    struct fixture *it = *state;
    struct peer first, second;
    struct key key = key_new(it), other = key_new(it);
    it->epoch = 1;
    arrives(it, &first, &key, 1);
    answer_return(it, 1, 0);
    struct store_producer *query = TAKE(it, STORE_PRODUCER, store_producer);
    commit_something(it);
    arrives(it, &second, &other, 1);
    answer_producer(query, 0);
    peer_wait_text(&first, "HTTP/1.1 409");
    answer_producer(TAKE(it, STORE_PRODUCER, store_producer), 0);
    peer_wait_text(&second, "\"ready\"");
    peer_close(&first);
    peer_close(&second);
}

static void a_key_that_is_revoked_while_it_claims_gets_no_socket_and_no_place(void **state)
{
    struct fixture *it = *state;
    struct peer first, second;
    struct key key = key_new(it), other = key_new(it);
    arrives(it, &first, &key, 0);
    auth_revoked(it->house.auth, key.row);
    answer_claim(it, 0);
    answer_producer(TAKE(it, STORE_PRODUCER, store_producer), 0);
    peer_wait_text(&first, "HTTP/1.1 401");
    arrives(it, &second, &other, 0); // another may claim it at once
    answer_claim(it, 0);
    answer_producer(TAKE(it, STORE_PRODUCER, store_producer), 0);
    peer_wait_text(&second, "\"epoch\":2");
    peer_close(&first);
    peer_close(&second);
}

static void a_key_that_is_revoked_while_the_execution_is_looked_for_is_refused(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    struct key key = key_new(it);
    house_connect(&it->house, &peer);
    char request[512];
    snprintf(request, sizeof(request),
             "GET /api/v1/executions/e HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n\r\n", key.secret);
    peer_send_text(&peer, request);
    answer_key(it, &key);
    stub_answer(take(it, STORE_KEY_USED), 0);
    auth_revoked(it->house.auth, key.row);
    answer_execution(it);
    peer_wait_text(&peer, "HTTP/1.1 401");
    peer_close(&peer);
}

static void a_runner_whose_lease_another_server_has_by_a_newer_epoch_is_fenced(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    it->epoch = 3;
    struct key key = key_new(it);
    arrives(it, &peer, &key, 3);
    answer_return(it, 3, ERR_FENCED);
    answer_producer(TAKE(it, STORE_PRODUCER, store_producer), 0); // its own end may have come by that server
    peer_wait_text(&peer, "HTTP/1.1 409");
    peer_wait_text(&peer, "\"code\":\"fenced\"");
    peer_close(&peer);
}

static void a_runner_of_a_server_that_was_fenced_is_to_come_again(void **state)
{
    struct fixture *it = *state;
    struct peer peer, again;
    it->epoch = 3;
    struct key key = key_new(it), other = key_new(it);
    arrives(it, &peer, &key, 3);
    answer_return(it, 3, ERR_NODE_FENCED);
    peer_wait_text(&peer, "HTTP/1.1 503");
    peer_wait_text(&peer, "\"code\":\"node_fenced\"");
    commit_something(it);
    arrives(it, &again, &other, 3);
    answer_return(it, 3, 0);
    answer_producer(TAKE(it, STORE_PRODUCER, store_producer), 0);
    peer_wait_text(&again, "\"epoch\":3");
    peer_close(&peer);
    peer_close(&again);
}

static void a_second_runner_of_what_another_server_holds_is_told_so(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    it->epoch = 3;
    struct key key = key_new(it);
    arrives(it, &peer, &key, 0);
    struct store_lease *look = TAKE(it, STORE_LEASE, store_lease);
    assert_int_equal(look->ask.cause, NODE_LEASE_ADOPT);
    peer_wait_text(&peer, "\"code\":\"held\"");
    stub_answer(&look->op, ERR_HELD);
    peer_close(&peer);
}

static void one_that_did_not_hear_its_epoch_comes_back_by_the_key_of_its_claim(void **state)
{
    struct fixture *it = *state;
    struct peer other, peer;
    it->epoch = 3;
    it->claim_mark = execution_claim_mark(STR("k"), 3);
    struct key key = key_new(it), own = key_new(it);
    arrives_with(it, &other, &key, 0, "Idempotency-Key: another\r\n");
    struct store_lease *look = TAKE(it, STORE_LEASE, store_lease);
    peer_wait_text(&other, "\"code\":\"held\"");
    stub_answer(&look->op, ERR_HELD);
    commit_something(it); // so that it is looked for anew
    arrives_with(it, &peer, &own, 0, "Idempotency-Key: k\r\n");
    answer_return(it, 3, 0);
    answer_producer(TAKE(it, STORE_PRODUCER, store_producer), 0);
    peer_wait_text(&peer, "\"epoch\":3");
    peer_close(&other);
    peer_close(&peer);
}

static void a_key_that_is_too_long_is_refused(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    struct key key = key_new(it);
    char header[300];
    memset(header, 'k', sizeof(header));
    memcpy(header, "Idempotency-Key: ", 17);
    memcpy(header + 17 + 256, "\r\n", 3);
    arrives_with(it, &peer, &key, 0, header);
    peer_wait_text(&peer, "Idempotency-Key is longer than 255 bytes");
    peer_close(&peer);
}

static void the_runner_of_a_log_that_was_sealed_over_its_head_is_ended(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    becomes_the_runner(it, &peer);
    hub_fenced(it->house.hub, ROW);
    peer_wait_end(&peer);
    assert_non_null(memmem(peer.got.data, peer.got.len, "\x11\x39", 2)); // 4409
    peer_close(&peer);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(what_it_sends_carries_its_epoch),
        TEST(a_chunk_of_a_newer_program_is_refused_as_that),
        TEST(a_complete_without_a_count_is_for_what_was_taken_in),
        TEST(a_claim_that_is_refused_keeps_no_place),
        TEST(a_connection_whose_place_was_taken_on_its_way_is_refused),
        TEST(a_key_that_is_revoked_while_it_claims_gets_no_socket_and_no_place),
        TEST(a_key_that_is_revoked_while_the_execution_is_looked_for_is_refused),
        TEST(a_runner_whose_lease_another_server_has_by_a_newer_epoch_is_fenced),
        TEST(a_runner_of_a_server_that_was_fenced_is_to_come_again),
        TEST(a_second_runner_of_what_another_server_holds_is_told_so),
        TEST(one_that_did_not_hear_its_epoch_comes_back_by_the_key_of_its_claim),
        TEST(a_key_that_is_too_long_is_refused),
        TEST(the_runner_of_a_log_that_was_sealed_over_its_head_is_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
