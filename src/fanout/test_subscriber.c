#include "fanout/testing.h"

struct reader {
    struct subscriber *subscriber;
    struct buf got;
    size_t pending, sends;
    const struct payload *last;
    bool full; // what it is given stays with it
    enum follower_step steps[16];
    size_t step_count;
    uint64_t gap_from, gap_to;
    unsigned failed;
    int err;
};

static void reader_send(void *owner, struct payload *payload, size_t offset, size_t len)
{
    struct reader *reader = owner;
    buf_append(&reader->got, payload->data + offset, len);
    reader->pending += reader->full ? len : 0;
    reader->sends++;
    reader->last = payload;
}

static size_t reader_pending(void *owner)
{
    return ((struct reader *)owner)->pending;
}

static void reader_unshare(void *owner)
{
    (void)owner;
}

// Frees itself when it is told its end, as streams do.
static void reader_tell(void *owner, enum follower_step step, const struct follower *follower,
                        const struct execution *execution, const struct execution_live *live)
{
    struct reader *reader = owner;
    (void)execution;
    (void)live;
    assert_true(reader->step_count < ARRAY_LEN(reader->steps));
    reader->steps[reader->step_count++] = step;
    reader->gap_from = follower->gap_from;
    reader->gap_to = follower->gap_to;
    if (step == FOLLOWER_COMPLETE || step == FOLLOWER_END || step == FOLLOWER_PURGED)
        subscriber_free(&reader->subscriber);
}

static void reader_failed(void *owner, int err)
{
    struct reader *reader = owner;
    reader->failed++;
    reader->err = err;
    subscriber_free(&reader->subscriber);
}

static const struct subscriber_sink sink = {reader_send, reader_pending, reader_unshare, reader_tell, reader_failed};

// From record `from` on, of an execution that has `next`.
static void start(struct fixture *fixture, struct reader *reader, uint64_t from, uint64_t next, bool follow)
{
    struct execution execution = execution_with(next);
    struct subscription subscription = {.execution = &execution,
                                        .position = {.kind = POSITION_FROM, .from = from},
                                        .follow = follow,
                                        .format = FORMAT_TEXT,
                                        .sink = &sink,
                                        .owner = reader};
    reader->subscriber = fanout_subscribe(fixture->fanout, &subscription);
}

// The same, by the first one who is interested in the execution.
static void subscribe(struct fixture *fixture, struct reader *reader, uint64_t from, uint64_t next, bool follow)
{
    start(fixture, reader, from, next, follow);
    answer_refresh(fixture, next, STATUS_RUNNING);
    turns(fixture);
}

static void assert_numbers(const struct reader *reader, uint64_t from, uint64_t end)
{
    CLEANUP(buf_release) struct buf expected = {0};
    for (uint64_t i = from; i < end; i++)
        buf_printf(&expected, "%llu\n", (unsigned long long)i);
    assert_int_equal(reader->got.len, expected.len);
    if (expected.len > 0)
        assert_memory_equal(reader->got.data, expected.data, expected.len);
}

static void release(struct reader *reader)
{
    subscriber_free(&reader->subscriber);
    buf_release(&reader->got);
}

static void stored_and_live_records_come_once_in_order(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0};
    subscribe(fixture, &reader, 3, 20, true);
    commit_records(fixture, 20, 5); // while it is reading
    turns(fixture);
    answer_read(fixture, 3, 7, 0);
    turns(fixture);
    assert_numbers(&reader, 3, 10);
    answer_read(fixture, 10, 10, 0);
    turns(fixture);
    assert_numbers(&reader, 3, 25);
    commit_records(fixture, 25, 1);
    turns(fixture);
    assert_numbers(&reader, 3, 26);
    assert_int_equal(fixture->store.count, 0); // what is live is not read again
    release(&reader);
}

static void what_the_server_knows_is_looked_up_once_for_all_followers(void **state)
{
    struct fixture *fixture = *state;
    struct execution execution = execution_with(5);
    struct reader readers[3] = {0};
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        struct subscription subscription = {.execution = &execution,
                                            .position = {.kind = POSITION_FROM, .from = 5},
                                            .follow = true,
                                            .wants_state = true,
                                            .format = FORMAT_TEXT,
                                            .sink = &sink,
                                            .owner = &readers[i]};
        readers[i].subscriber = fanout_subscribe(fixture->fanout, &subscription);
    }
    answer_refresh(fixture, 5, STATUS_RUNNING);
    turns(fixture);

    fixture->live_looks = 0;
    commit_records(fixture, 5, 2);
    turns(fixture);
    assert_int_equal(fixture->live_looks, 1);

    fixture->runner_gone = true;
    fanout_live_changed(fixture->fanout, ROW);
    turns(fixture);
    assert_int_equal(fixture->live_looks, 2);
    for (size_t i = 0; i < ARRAY_LEN(readers); i++) {
        assert_numbers(&readers[i], 5, 7);
        assert_int_equal(readers[i].step_count, 2);
        assert_int_equal(readers[i].steps[1], FOLLOWER_STATE);
        release(&readers[i]);
    }
}

static void a_slow_reader_is_waited_for(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {.full = true};
    subscribe(fixture, &reader, 0, 30000, true);
    answer_read(fixture, 0, 30000, 0);
    turns(fixture);
    size_t first = reader.got.len;
    assert_true(first > 0 && first < 128 * 1024); // its window, and no more
    turns(fixture);
    assert_int_equal(reader.got.len, first);
    while (reader.pending > 0) {
        reader.pending = 0;
        subscriber_drained(reader.subscriber);
        turns(fixture);
    }
    assert_numbers(&reader, 0, 30000);
    release(&reader);
}

static void a_reader_of_large_chunks_comes_to_be_handed_whole_ones(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {.full = true};
    const uint32_t count = 41000; // somewhat more than half of the largest window
    uint64_t next = 100000;
    subscribe(fixture, &reader, next, next, true);
    for (; next < 100000 + 24 * (uint64_t)count; next += count)
        commit_records(fixture, next, count);
    turns(fixture);
    size_t drains = 0, whole = 0;
    for (; reader.pending > 0; drains++) {
        reader.pending = reader.sends = 0;
        subscriber_drained(reader.subscriber);
        turns(fixture);
        whole = reader.sends == 2 ? whole + 1 : 0;
        if (reader.got.len > 6000000)
            break;
    }
    assert_true(whole >= 3); // two chunks each time, not one with parts of others
    assert_numbers(&reader, 100000, reader.subscriber->follower.cursor);
    release(&reader);
}

static void little_room_is_not_filled_with_a_small_part_of_a_chunk(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {.full = true};
    subscribe(fixture, &reader, 100000, 100000, true);
    commit_records(fixture, 100000, 9000); // 63,000 bytes, just less than the first window
    turns(fixture);
    assert_int_equal(reader.sends, 1);
    commit_records(fixture, 109000, 41000);
    turns(fixture);
    assert_int_equal(reader.sends, 1);
    reader.pending = 0;
    subscriber_drained(reader.subscriber);
    turns(fixture);
    assert_int_equal(reader.sends, 2);
    assert_numbers(&reader, 100000, reader.subscriber->follower.cursor);
    release(&reader);
}

static void a_small_part_is_shared_if_another_socket_holds_the_whole(void **state)
{
    struct fixture *fixture = *state;
    struct reader holder = {0}, alone = {0}, beside = {0};
    subscribe(fixture, &holder, 100000, 100000, true);
    commit_records(fixture, 100000, 41000);
    turns(fixture);
    struct payload *whole = topic_find(holder.subscriber->topic, 100000)->encoded[FORMAT_TEXT]->payload;

    alone.full = beside.full = true;
    start(fixture, &alone, 100000, 141000, true);
    turns(fixture);
    assert_ptr_not_equal(alone.last, whole);
    CLEANUP(payload_unref) UNUSED struct payload *held = payload_ref(whole);
    start(fixture, &beside, 100000, 141000, true);
    turns(fixture);
    assert_ptr_equal(beside.last, held);
    assert_true(beside.got.len < 128 * 1024);
    assert_numbers(&beside, 100000, beside.subscriber->follower.cursor);
    release(&holder);
    release(&alone);
    release(&beside);
}

static void one_who_does_not_follow_ends_at_what_there_was(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0};
    subscribe(fixture, &reader, 0, 10, false);
    commit_records(fixture, 10, 5);
    turns(fixture);
    answer_read(fixture, 0, 10, 0);
    turns(fixture);
    assert_numbers(&reader, 0, 10);
    assert_int_equal(reader.steps[reader.step_count - 1], FOLLOWER_END);
    assert_null(reader.subscriber);
    release(&reader);
}

static void one_who_is_to_finish_gets_what_is_durable_by_then(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0};
    subscribe(fixture, &reader, 10, 10, true);
    commit_records(fixture, 10, 5);
    turns(fixture);
    assert_non_null(reader.subscriber);
    subscriber_finish(reader.subscriber);
    commit_records(fixture, 15, 5);
    turns(fixture);
    assert_numbers(&reader, 10, 15);
    assert_null(reader.subscriber);
    release(&reader);
}

static void the_seal_ends_it_after_the_last_record(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0}, other = {0};
    subscribe(fixture, &reader, 0, 0, true);
    struct execution execution = execution_with(0);
    struct subscription subscription = {.execution = &execution, .follow = true, .format = FORMAT_TEXT, .sink = &sink};
    subscription.owner = &other;
    other.subscriber = fanout_subscribe(fixture->fanout, &subscription);
    commit(fixture, (struct store_change){.first = 0, .next = 4, .status = STATUS_COMPLETED, .sealed = true}, 4);
    turns(fixture);
    assert_numbers(&reader, 0, 4);
    assert_numbers(&other, 0, 4);
    assert_int_equal(reader.steps[reader.step_count - 1], FOLLOWER_COMPLETE);
    assert_null(reader.subscriber);
    assert_null(other.subscriber);
    release(&reader);
    release(&other);
}

static void what_retention_took_is_told_as_a_gap(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0};
    subscribe(fixture, &reader, 0, 20, true);
    struct store_read *read = STUB_TAKE(&fixture->store, STORE_READ, store_read);
    read->ret_segments[read->ret_count++] = (struct store_segment){10, numbered(10, 10)};
    read->ret_first_sequence = 10;
    stub_answer(&read->op, 0);
    turns(fixture);
    assert_int_equal(reader.step_count, 1);
    assert_int_equal(reader.steps[0], FOLLOWER_GAP);
    assert_int_equal(reader.gap_from, 0);
    assert_int_equal(reader.gap_to, 9);
    assert_numbers(&reader, 10, 20);
    release(&reader);
}

// One has read all of it, the other one is slow: its cursor is overtaken.
static void who_is_overtaken_by_a_cut_is_told_and_who_was_before_it_is_not(void **state)
{
    struct fixture *fixture = *state;
    struct reader quick = {0}, slow = {.full = true};
    subscribe(fixture, &quick, 0, 0, true);
    start(fixture, &slow, 0, 0, true);
    commit_records(fixture, 0, 20000); // more than a window
    turns(fixture);
    assert_numbers(&quick, 0, 20000);
    assert_true(slow.got.len < quick.got.len);
    commit(fixture, (struct store_change){.first = 20000, .next = 20000, .front = 19000, .status = STATUS_RUNNING}, 0);
    turns(fixture);
    commit_records(fixture, 20000, 5);
    turns(fixture);
    assert_numbers(&quick, 0, 20005);
    assert_int_equal(quick.step_count, 0);
    slow.full = false;
    slow.pending = 0;
    size_t before = slow.got.len;
    subscriber_drained(slow.subscriber);
    turns(fixture);
    assert_int_equal(slow.step_count, 1);
    assert_int_equal(slow.steps[0], FOLLOWER_GAP);
    assert_int_equal(slow.gap_to, 18999);
    CLEANUP(buf_release) struct buf expected = {0};
    for (uint64_t i = 0; i < slow.gap_from; i++)
        buf_printf(&expected, "%llu\n", (unsigned long long)i);
    assert_int_equal(before, expected.len);
    for (uint64_t i = 19000; i < 20005; i++)
        buf_printf(&expected, "%llu\n", (unsigned long long)i);
    assert_int_equal(slow.got.len, expected.len);
    assert_memory_equal(slow.got.data, expected.data, expected.len);
    release(&quick);
    release(&slow);
}

static void a_store_that_fails_ends_it_once(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0};
    subscribe(fixture, &reader, 0, 20, true);
    answer_read(fixture, 0, 0, ERR_UNAVAILABLE);
    commit_records(fixture, 20, 5);
    turns(fixture);
    assert_int_equal(reader.failed, 1);
    assert_int_equal(reader.err, ERR_UNAVAILABLE);
    assert_int_equal(reader.got.len, 0);
    release(&reader);
}

static void one_who_follows_waits_while_a_store_that_others_share_is_away(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0};
    fixture->store.base.one_writer = false;
    subscribe(fixture, &reader, 0, 20, true);
    answer_read(fixture, 0, 0, ERR_UNAVAILABLE);
    turns(fixture);
    assert_int_equal(reader.failed, 0);
    while (fixture->store.count == 0) { // it asks again, by a timer
        loop_stop(fixture->loop);
        assert_int_equal(loop_run(fixture->loop), 0);
    }
    answer_read(fixture, 0, 20, 0);
    turns(fixture);
    assert_int_equal(reader.failed, 0);
    assert_numbers(&reader, 0, 20);
    release(&reader);
}

static void one_who_wants_what_there_is_hears_that_the_store_is_away(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0};
    fixture->store.base.one_writer = false;
    subscribe(fixture, &reader, 0, 20, false);
    answer_read(fixture, 0, 0, ERR_UNAVAILABLE);
    turns(fixture);
    assert_true(reader.failed == 1 && reader.err == ERR_UNAVAILABLE);
    release(&reader);
}

static void one_who_leaves_while_a_read_is_under_way_hears_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct reader reader = {0};
    subscribe(fixture, &reader, 0, 20, true);
    subscriber_free(&reader.subscriber);
    answer_read(fixture, 0, 20, 0);
    turns(fixture);
    assert_int_equal(reader.got.len + reader.step_count + reader.failed, 0);
    release(&reader);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(stored_and_live_records_come_once_in_order),
        TEST(what_the_server_knows_is_looked_up_once_for_all_followers),
        TEST(a_slow_reader_is_waited_for),
        TEST(a_reader_of_large_chunks_comes_to_be_handed_whole_ones),
        TEST(little_room_is_not_filled_with_a_small_part_of_a_chunk),
        TEST(a_small_part_is_shared_if_another_socket_holds_the_whole),
        TEST(one_who_does_not_follow_ends_at_what_there_was),
        TEST(one_who_is_to_finish_gets_what_is_durable_by_then),
        TEST(the_seal_ends_it_after_the_last_record),
        TEST(what_retention_took_is_told_as_a_gap),
        TEST(who_is_overtaken_by_a_cut_is_told_and_who_was_before_it_is_not),
        TEST(a_store_that_fails_ends_it_once),
        TEST(one_who_follows_waits_while_a_store_that_others_share_is_away),
        TEST(one_who_wants_what_there_is_hears_that_the_store_is_away),
        TEST(one_who_leaves_while_a_read_is_under_way_hears_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
