#include "ingest/intake.h"
#include "store/store_stub.h"

#define ROW   7
#define EPOCH 4

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct metrics *metrics;
    struct intake *intake;
    // What it has said.
    unsigned acks, refusals, readies, rooms;
    uint64_t acked, ready_at, refused_at;
    int refused;
};

static void ack(void *owner, uint64_t next)
{
    struct fixture *fixture = owner;
    fixture->acks++;
    fixture->acked = next;
}

static void refused(void *owner, int err, uint64_t next_sequence)
{
    struct fixture *fixture = owner;
    fixture->refusals++;
    fixture->refused = err;
    fixture->refused_at = next_sequence;
}

static void ready(void *owner, const struct sequence_producer *stored)
{
    struct fixture *fixture = owner;
    fixture->readies++;
    fixture->ready_at = stored->next;
}

static void room(void *owner)
{
    struct fixture *fixture = owner;
    fixture->rooms++;
}

static const struct intake_handler handler = {ack, refused, ready, room};

static int set_up(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    stub_init(&fixture->store);
    assert_int_equal(loop_new(&fixture->loop), 0);
    fixture->metrics = metrics_new(1, NULL);
    struct intake_options options = {
        .loop = fixture->loop,
        .store = &fixture->store.base,
        .metrics = fixture->metrics,
        .row = ROW,
        .producer = STR("p"),
        .epoch = EPOCH,
        .next = 10,
        .handler = &handler,
        .owner = fixture,
    };
    fixture->intake = intake_new(&options);
    *state = fixture;
    return 0;
}

static int tear_down(void **state)
{
    struct fixture *fixture = *state;
    intake_close(&fixture->intake);
    assert_int_equal(fixture->store.count, 0);
    loop_free(&fixture->loop);
    metrics_free(&fixture->metrics);
    free(fixture);
    return 0;
}

// One turn: what was put off to its end is done.
static void turn(struct fixture *fixture)
{
    loop_stop(fixture->loop);
    loop_run(fixture->loop);
}

static void stop(void *arg)
{
    loop_stop(arg);
}

static void await_operation(struct fixture *fixture)
{
    struct timer *look = timer_new(fixture->loop, stop, fixture->loop);
    while (fixture->store.count == 0) {
        timer_start(look, 5);
        loop_run(fixture->loop);
    }
    timer_free(&look);
}

static void offer(struct fixture *fixture, uint64_t counter)
{
    struct record record = {.time_ms = 1, .message = STR("line")};
    intake_record(fixture->intake, counter, &record);
}

static void offer_chunk(struct fixture *fixture, uint64_t first, uint32_t count, size_t size)
{
    struct chunk_builder *builder = chunk_builder_new();
    char *text = xcalloc(1, size + 1);
    memset(text, 'x', size);
    struct record record = {.time_ms = 1, .message = str_n(text, size)};
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(chunk_builder_add(builder, &record), 0);
    struct chunk *chunk = chunk_builder_finish(builder, 0);
    intake_chunk(fixture->intake, first, chunk);
    chunk_unref(&chunk);
    chunk_builder_free(&builder);
    free(text);
}

static struct store_append *appended(struct fixture *fixture, uint64_t first, uint32_t count)
{
    struct store_append *append = STUB_TAKE(&fixture->store, STORE_APPEND, store_append);
    assert_int_equal(append->row, ROW);
    assert_int_equal(append->epoch, EPOCH);
    assert_true(str_eq(append->producer, STR("p")));
    assert_int_equal(append->first, first);
    assert_int_equal(chunk_count(append->chunk), count);
    return append;
}

static void commit(struct store_append *append, uint64_t producer_next, uint64_t new)
{
    append->ret_producer_next = producer_next;
    append->ret_appended = new;
    stub_answer(&append->op, 0);
}

static void fail_append(struct store_append *append, int err, uint64_t producer_next)
{
    append->ret_producer_next = producer_next;
    stub_answer(&append->op, err);
}

static void answer_position(struct fixture *fixture, int err, uint64_t next)
{
    await_operation(fixture);
    struct store_producer *query = STUB_TAKE(&fixture->store, STORE_PRODUCER, store_producer);
    assert_int_equal(query->row, ROW);
    query->ret_producer.next = next;
    stub_answer(&query->op, err);
}

// --- Records become chunks

static void the_records_of_one_turn_are_one_chunk(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 10; i < 15; i++)
        offer(fixture, i);
    assert_int_equal(fixture->store.count, 0);
    assert_int_equal(intake_accepted(fixture->intake), 15);
    turn(fixture);
    commit(appended(fixture, 10, 5), 15, 5);
    assert_int_equal(fixture->store.count, 0);
}

static void records_that_do_not_follow_upon_each_other_share_no_chunk(void **state)
{
    struct fixture *fixture = *state;
    offer(fixture, 10);
    offer(fixture, 11);
    offer(fixture, 10); // once more
    turn(fixture);
    commit(appended(fixture, 10, 2), 12, 2);
    commit(appended(fixture, 10, 1), 12, 0);
    turn(fixture);
    assert_int_equal(fixture->acked, 12);
}

static void a_chunk_comes_behind_the_records_before_it(void **state)
{
    struct fixture *fixture = *state;
    offer(fixture, 10);
    offer_chunk(fixture, 11, 3, 10);
    commit(appended(fixture, 10, 1), 11, 1);
    commit(appended(fixture, 11, 3), 14, 3);
}

static void what_arrived_before_the_end_is_still_handed_over(void **state)
{
    struct fixture *fixture = *state;
    offer(fixture, 10);
    offer(fixture, 11);
    intake_close(&fixture->intake);
    commit(appended(fixture, 10, 2), 12, 2);
    turn(fixture);
    assert_int_equal(fixture->acks, 0); // nobody is there to hear it
}

static void what_fails_after_the_end_is_told_to_nobody(void **state)
{
    struct fixture *fixture = *state;
    offer(fixture, 10);
    turn(fixture);
    struct store_append *append = appended(fixture, 10, 1);
    intake_close(&fixture->intake);
    fail_append(append, ERR_UNAVAILABLE, 10);
    assert_int_equal(fixture->refusals, 0);
}

// --- Acknowledged is durable

static void only_what_was_committed_is_acknowledged_once_a_turn(void **state)
{
    struct fixture *fixture = *state;
    offer(fixture, 10);
    turn(fixture);
    struct store_append *first = appended(fixture, 10, 1);
    offer(fixture, 11);
    turn(fixture);
    struct store_append *second = appended(fixture, 11, 1);
    assert_int_equal(fixture->acks, 0);
    commit(first, 11, 1);
    commit(second, 12, 1);
    turn(fixture);
    assert_int_equal(fixture->acks, 1);
    assert_int_equal(fixture->acked, 12);
}

static void what_was_known_already_is_acknowledged_again(void **state)
{
    struct fixture *fixture = *state;
    offer(fixture, 8);
    offer(fixture, 9);
    turn(fixture);
    commit(appended(fixture, 8, 2), 10, 0);
    turn(fixture);
    assert_int_equal(fixture->acks, 1);
    assert_int_equal(fixture->acked, 10);
}

// --- Refusals

static void a_gap_is_told_and_nothing_of_it_taken(void **state)
{
    struct fixture *fixture = *state;
    offer(fixture, 12);
    turn(fixture);
    assert_int_equal(fixture->store.count, 0);
    assert_int_equal(fixture->refused, ERR_GAP);
    assert_int_equal(fixture->refused_at, 10);
    offer(fixture, 10); // the socket goes on
    turn(fixture);
    commit(appended(fixture, 10, 1), 11, 1);
}

static void after_a_failed_commit_it_begins_anew_where_the_store_is(void **state)
{
    struct fixture *fixture = *state;
    for (uint64_t i = 10; i < 13; i++) {
        offer(fixture, i);
        turn(fixture);
    }
    struct store_append *appends[] = {appended(fixture, 10, 1), appended(fixture, 11, 1), appended(fixture, 12, 1)};
    commit(appends[0], 11, 1);
    fail_append(appends[1], ERR_CONFLICT, 11);
    assert_int_equal(fixture->refusals, 1);
    offer(fixture, 13); // not taken: it would come before 11
    turn(fixture);
    assert_int_equal(fixture->store.count, 0);
    fail_append(appends[2], ERR_GAP, 11);
    assert_int_equal(fixture->refusals, 1); // those behind the first fail for its sake
    assert_int_equal(fixture->refused, ERR_CONFLICT);
    answer_position(fixture, 0, 11);
    assert_int_equal(fixture->readies, 1);
    assert_int_equal(fixture->ready_at, 11);
    offer(fixture, 11);
    turn(fixture);
    commit(appended(fixture, 11, 1), 12, 1);
    turn(fixture);
    assert_int_equal(fixture->acked, 12);
}

static void the_store_is_asked_until_it_answers(void **state)
{
    struct fixture *fixture = *state;
    offer(fixture, 10);
    turn(fixture);
    fail_append(appended(fixture, 10, 1), ERR_GAP, 9);
    answer_position(fixture, ERR_UNAVAILABLE, 0);
    assert_int_equal(fixture->readies, 0);
    answer_position(fixture, 0, 9);
    assert_int_equal(fixture->ready_at, 9);
}

static void a_close_while_the_store_is_asked_is_fine(void **state)
{
    struct fixture *fixture = *state;
    offer(fixture, 10);
    turn(fixture);
    fail_append(appended(fixture, 10, 1), ERR_GAP, 9);
    await_operation(fixture);
    intake_close(&fixture->intake);
    answer_position(fixture, 0, 9);
    assert_int_equal(fixture->readies, 0);
}

// --- Gaps that the producer states

static void a_skip_puts_one_record_in_the_place_of_the_lost_ones(void **state)
{
    struct fixture *fixture = *state;
    const uint64_t digest = 77;
    intake_skip(fixture->intake, 15, STR("spool lost"), &digest);
    struct store_append *append = appended(fixture, 14, 1);
    assert_true(append->skip_ahead && append->skip_digest && *append->skip_digest == 77);
    struct record record;
    chunk_record(append->chunk, 0, &record);
    assert_int_equal(record.stream, STREAM_EVENT);
    assert_true(str_eq(record.message, STR("5 records were lost before they reached the server: spool lost")));
    commit(append, 15, 1);
    offer(fixture, 15);
    turn(fixture);
    commit(appended(fixture, 15, 1), 16, 1);
    intake_skip(fixture->intake, 16, STR("nothing"), NULL); // is due next
    assert_int_equal(fixture->store.count, 0);
}

// --- Backpressure

static void it_says_when_to_stop_reading_and_when_to_go_on(void **state)
{
    struct fixture *fixture = *state;
    uint64_t next = 10;
    unsigned under_way = 0;
    while (!intake_busy(fixture->intake)) {
        offer_chunk(fixture, next++, 1, 1024 * 1024);
        under_way++;
        assert_true(under_way < 20);
    }
    assert_true(under_way > 14);
    for (uint64_t i = 10; fixture->store.count > 0; i++) {
        assert_int_equal(fixture->rooms, fixture->store.count < under_way / 2 ? 1 : 0);
        commit(appended(fixture, i, 1), i + 1, 1);
    }
    assert_int_equal(fixture->rooms, 1);
    assert_false(intake_busy(fixture->intake));
}

// Another intake of the same connection, at a gate as the interface has it.
static struct intake *sharing(struct fixture *fixture, struct intake_gate *gate, struct intake_share *share)
{
    struct intake_options options = {
        .loop = fixture->loop,
        .store = &fixture->store.base,
        .metrics = fixture->metrics,
        .gate = gate,
        .share = share,
        .row = ROW,
        .producer = STR("p"),
        .epoch = EPOCH,
        .next = 10,
        .handler = &handler,
        .owner = fixture,
    };
    return intake_new(&options);
}

static void what_several_have_under_way_counts_together(void **state)
{
    struct fixture *fixture = *state;
    struct intake_gate gate;
    struct intake_share *share = intake_share_new(NULL);
    intake_gate_init(&gate, fixture->loop, NULL);
    struct intake *other = sharing(fixture, &gate, share);
    intake_close(&fixture->intake);
    fixture->intake = sharing(fixture, &gate, share);
    for (uint64_t i = 0; i < 15; i++)
        offer_chunk(fixture, 10 + i, 1, 1024 * 1024);
    assert_false(intake_busy(fixture->intake));
    struct intake *first = fixture->intake;
    fixture->intake = other;
    for (uint64_t i = 0; i < 2; i++)
        offer_chunk(fixture, 10 + i, 1, 1024 * 1024);
    assert_true(intake_busy(other)); // for what the first one has under way
    assert_false(intake_busy(first));
    for (uint64_t i = 0; i < 15; i++) {
        turn(fixture);
        assert_int_equal(fixture->rooms, i > 9 ? 1 : 0);
        commit(appended(fixture, 10 + i, 1), 11 + i, 1);
    }
    assert_false(intake_busy(other));
    // What is under way keeps the share, whoever has gone.
    intake_close(&first);
    intake_close(&fixture->intake);
    intake_share_unref(&share);
    for (uint64_t i = 0; i < 2; i++)
        commit(appended(fixture, 10 + i, 1), 11 + i, 1);
    turn(fixture);
    intake_gate_release(&gate);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_records_of_one_turn_are_one_chunk),
        TEST(records_that_do_not_follow_upon_each_other_share_no_chunk),
        TEST(a_chunk_comes_behind_the_records_before_it),
        TEST(what_arrived_before_the_end_is_still_handed_over),
        TEST(what_fails_after_the_end_is_told_to_nobody),
        TEST(only_what_was_committed_is_acknowledged_once_a_turn),
        TEST(what_was_known_already_is_acknowledged_again),
        TEST(a_gap_is_told_and_nothing_of_it_taken),
        TEST(after_a_failed_commit_it_begins_anew_where_the_store_is),
        TEST(the_store_is_asked_until_it_answers),
        TEST(a_close_while_the_store_is_asked_is_fine),
        TEST(a_skip_puts_one_record_in_the_place_of_the_lost_ones),
        TEST(it_says_when_to_stop_reading_and_when_to_go_on),
        TEST(what_several_have_under_way_counts_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
