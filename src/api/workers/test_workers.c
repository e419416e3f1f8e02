// A worker's socket on a real HTTP server, with a dispatcher and a store that do what the test says.
#include "api/api_private.h"
#include "api/routes.h"
#include "api/test_api.h"
#include "ws/ws_parser.h"

struct dispatcher {
    struct worker_session *session;
    unsigned joined, left, drained, slots_free;
    int64_t opened_row;
    uint64_t opened_epoch;
    int ended_err;
    unsigned ended;
    char returned[64], reason[64];
    uint64_t returned_epoch;
};

static void on_joined(void *arg, struct worker_session *session)
{
    struct dispatcher *it = arg;
    it->joined++;
    it->session = worker_session_ref(session);
}

static void on_heartbeat(void *arg, struct worker_session *session, uint32_t slots_free)
{
    struct dispatcher *it = arg;
    assert_ptr_equal(session, it->session);
    it->slots_free = slots_free;
}

static void on_drains(void *arg, struct worker_session *session)
{
    struct dispatcher *it = arg;
    assert_ptr_equal(session, it->session);
    it->drained++;
}

static void on_returned(void *arg, struct worker_session *session, struct str execution_id, uint64_t epoch,
                        struct str reason)
{
    struct dispatcher *it = arg;
    assert_ptr_equal(session, it->session);
    snprintf(it->returned, sizeof(it->returned), "%.*s", STR_ARGS(execution_id));
    snprintf(it->reason, sizeof(it->reason), "%.*s", STR_ARGS(reason));
    it->returned_epoch = epoch;
}

static void on_opened(void *arg, struct worker_session *session, int64_t row, uint64_t epoch)
{
    struct dispatcher *it = arg;
    assert_ptr_equal(session, it->session);
    it->opened_row = row;
    it->opened_epoch = epoch;
}

static void on_ended(void *arg, struct worker_session *session, int64_t row, uint64_t epoch, int err)
{
    struct dispatcher *it = arg;
    assert_ptr_equal(session, it->session);
    assert_int_equal(row, it->opened_row);
    assert_int_equal(epoch, it->opened_epoch);
    assert_int_equal(it->left, 0);
    it->ended++;
    it->ended_err = err;
}

static void on_left(void *arg, struct worker_session *session)
{
    struct dispatcher *it = arg;
    assert_ptr_equal(session, it->session);
    it->left++;
}

static const struct worker_listener listener = {on_joined, on_heartbeat, on_drains, on_returned,
                                                on_opened, on_ended,     on_left};

static int set_up(void **state)
{
    return fixture_new(state, api_routes);
}

static void say(struct peer *peer, const char *text)
{
    CLEANUP(buf_release) struct buf frame = {0};
    ws_frame_append(&frame, WS_TEXT, text, strlen(text), true);
    peer_send(peer, frame.data, frame.len);
}

static void arrives(struct fixture *it, struct peer *peer, struct dispatcher *dispatcher)
{
    struct key key = key_new(it);
    char request[512];
    it->house.api->options.workers = &listener;
    it->house.api->options.workers_arg = dispatcher;
    snprintf(request, sizeof(request),
             "GET /ws/workers HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\nUpgrade: websocket\r\n"
             "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n",
             key.secret);
    house_connect(&it->house, peer);
    peer_send_text(peer, request);
    answer_key(it, &key);
    stub_answer(take(it, STORE_KEY_USED), 0);
    peer_wait_text(peer, "101 Switching Protocols");
    say(peer, "{\"type\":\"hello\",\"worker_id\":\"w\",\"hostname\":\"h\",\"slots\":3,\"cpus\":2500,\"memory\":1024,"
              "\"labels\":[\"gpu\",\"big\"],\"runtimes\":[\"python:3.11\"],\"clock\":\"1970-01-01T00:00:01Z\","
              "\"held\":[{\"execution_id\":\"x\",\"epoch\":4}]}");
    peer_wait_text(peer, "\"welcome\"");
}

static void opens_a_stream(struct fixture *it, struct peer *peer)
{
    it->epoch = 4;
    say(peer, "{\"type\":\"open\",\"stream\":9,\"execution_id\":\"e\",\"producer\":\"p\",\"epoch\":4}");
    answer_execution(it);
    answer_return(it, 4, 0); // this server does not know it
    struct store_producer *query = TAKE(it, STORE_PRODUCER, store_producer);
    assert_str(query->producer, "p");
    query->ret_producer.next = 0;
    stub_answer(&query->op, 0);
    peer_wait_text(peer, "{\"type\":\"ready\",\"stream\":9,\"execution_id\":\"e\"");
}

// --- Tests

static void the_dispatcher_sees_what_a_worker_offers(void **state)
{
    struct fixture *it = *state;
    struct dispatcher dispatcher = {0};
    struct peer peer;
    arrives(it, &peer, &dispatcher);
    assert_int_equal(dispatcher.joined, 1);
    const struct worker_offer *offer = worker_session_offer(dispatcher.session);
    assert_string_equal(offer->id, "w");
    assert_string_equal(offer->hostname, "h");
    assert_int_equal(offer->slots, 3);
    assert_int_equal(offer->cpus, 2500);
    assert_int_equal(offer->memory, 1024);
    assert_int_equal(offer->labels.count, 2);
    assert_string_equal(offer->labels.words[1], "big");
    assert_int_equal(offer->executors.count, 0);
    assert_string_equal(offer->runtimes.words[0], "python:3.11");
    assert_int_equal(offer->clock_ms, 1000);
    assert_int_equal(offer->held_count, 1);
    assert_string_equal(offer->held[0].execution_id, "x");
    assert_int_equal(offer->held[0].epoch, 4);
    assert_int_equal(worker_session_account(dispatcher.session), ACCOUNT);
    say(&peer, "{\"type\":\"heartbeat\",\"slots_free\":2}");
    say(&peer, "{\"type\":\"return\",\"execution_id\":\"x\",\"epoch\":4,\"reason\":\"no room\"}");
    say(&peer, "{\"type\":\"drain\"}");
    while (!dispatcher.drained)
        loop_turns(it->loop, 1);
    assert_int_equal(dispatcher.slots_free, 2);
    assert_string_equal(dispatcher.returned, "x");
    assert_string_equal(dispatcher.reason, "no room");
    assert_int_equal(dispatcher.returned_epoch, 4);
    peer_close(&peer);
    while (!dispatcher.left)
        loop_turns(it->loop, 1);
    worker_session_unref(&dispatcher.session);
}

static void a_job_is_sent_while_the_worker_is_there(void **state)
{
    struct fixture *it = *state;
    struct dispatcher dispatcher = {0};
    struct peer peer;
    const struct worker_job job = {.execution_id = STR("e"),
                                   .epoch = 5,
                                   .token = STR("t"),
                                   .attempt = 2,
                                   .account = STR("a"),
                                   .retry_on_lost = true,
                                   .spec = STR("{\"command\":[\"true\"]}")};
    arrives(it, &peer, &dispatcher);
    worker_session_job(dispatcher.session, &job);
    peer_wait_text(&peer, "{\"type\":\"job\",\"execution_id\":\"e\",\"epoch\":5,\"token\":\"t\",\"attempt\":2,"
                          "\"account\":\"a\",\"batch_id\":null,\"retry_on_lost\":true,"
                          "\"spec\":{\"command\":[\"true\"]}}");
    peer_close(&peer);
    while (!dispatcher.left)
        loop_turns(it->loop, 1);
    worker_session_job(dispatcher.session, &job); // to nobody
    loop_turns(it->loop, 2);
    worker_session_unref(&dispatcher.session);
}

static void the_dispatcher_hears_of_streams(void **state)
{
    struct fixture *it = *state;
    struct dispatcher dispatcher = {0};
    struct peer peer;
    arrives(it, &peer, &dispatcher);
    opens_a_stream(it, &peer);
    assert_int_equal(dispatcher.opened_row, ROW);
    assert_int_equal(dispatcher.opened_epoch, 4);
    say(&peer, "{\"type\":\"complete\",\"stream\":9,\"exit_code\":0,\"final_sequence\":-1}");
    struct store_complete *complete = TAKE(it, STORE_COMPLETE, store_complete);
    assert_int_equal(complete->epoch, 4);
    stub_answer(&complete->op, 0);
    peer_wait_text(&peer, "{\"type\":\"closed\",\"stream\":9,\"code\":\"completed\"");
    assert_int_equal(dispatcher.ended, 1);
    assert_int_equal(dispatcher.ended_err, 0);
    peer_close(&peer);
    while (!dispatcher.left)
        loop_turns(it->loop, 1);
    assert_int_equal(dispatcher.ended, 1);
    worker_session_unref(&dispatcher.session);
}

static void a_socket_that_ends_ends_its_streams_first(void **state)
{
    struct fixture *it = *state;
    struct dispatcher dispatcher = {0};
    struct peer peer;
    arrives(it, &peer, &dispatcher);
    opens_a_stream(it, &peer);
    // One that is being looked up goes as well.
    say(&peer, "{\"type\":\"open\",\"stream\":10,\"execution_id\":\"other\"}");
    struct store_get *get = TAKE(it, STORE_GET, store_get);
    peer_close(&peer);
    while (!dispatcher.left)
        loop_turns(it->loop, 1);
    assert_int_equal(dispatcher.ended, 1);
    assert_int_equal(dispatcher.ended_err, ERR_CLOSED);
    stub_answer(&get->op, ERR_NOT_FOUND);
    worker_session_unref(&dispatcher.session);
}

static void a_stream_that_is_left_while_it_begins_holds_nothing(void **state)
{
    struct fixture *it = *state;
    struct dispatcher dispatcher = {0};
    struct peer peer;
    arrives(it, &peer, &dispatcher);
    say(&peer, "{\"type\":\"open\",\"stream\":1,\"execution_id\":\"e\"}");
    answer_execution(it);
    struct store_claim *claim = TAKE(it, STORE_CLAIM, store_claim);
    assert_str(claim->worker_id, "w");
    assert_str(claim->worker_hostname, "h");
    say(&peer, "{\"type\":\"close\",\"stream\":1}");
    say(&peer, "{\"type\":\"drain\"}");
    while (!dispatcher.drained)
        loop_turns(it->loop, 1);
    commit_something(it);
    claim->ret_execution.epoch = ++it->epoch;
    stub_answer(&claim->op, 0);
    stub_answer(&TAKE(it, STORE_PRODUCER, store_producer)->op, 0);
    assert_int_equal(dispatcher.opened_row, 0);
    say(&peer, "{\"type\":\"open\",\"stream\":2,\"execution_id\":\"e\"}"); // anyone may claim it at once
    answer_execution(it);
    claim = TAKE(it, STORE_CLAIM, store_claim);
    claim->ret_execution.epoch = ++it->epoch;
    stub_answer(&claim->op, 0);
    stub_answer(&TAKE(it, STORE_PRODUCER, store_producer)->op, 0);
    peer_wait_text(&peer, "{\"type\":\"ready\",\"stream\":2");
    peer_close(&peer);
    while (!dispatcher.left)
        loop_turns(it->loop, 1);
    worker_session_unref(&dispatcher.session);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_dispatcher_sees_what_a_worker_offers),
        TEST(a_job_is_sent_while_the_worker_is_there),
        TEST(the_dispatcher_hears_of_streams),
        TEST(a_socket_that_ends_ends_its_streams_first),
        TEST(a_stream_that_is_left_while_it_begins_holds_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
