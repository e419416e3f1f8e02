#include "fanout/testing.h"

static void put(struct topic *topic, uint64_t first, uint32_t count)
{
    CLEANUP(chunk_unref) struct chunk *chunk = numbered(first, count);
    topic_put(topic, first, chunk);
}

static void all_who_wait_for_a_place_share_one_read(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 100, &waiting);
    topic_fetch(topic, 0, FORMAT_TEXT, NULL);
    topic_fetch(topic, 0, FORMAT_TEXT, NULL);
    assert_int_equal(fixture->store.count, 1);
    topic_fetch(topic, 50, FORMAT_TEXT, NULL);
    assert_int_equal(fixture->store.count, 2);
    answer_read(fixture, 0, 10, 0);
    answer_read(fixture, 50, 10, 0);
    turns(fixture);
    assert_int_equal(waiting.woken, 1); // once a turn
    assert_int_equal(topic_find(topic, 9)->first, 0);
    assert_null(topic_find(topic, 10));
    assert_int_equal(topic_find(topic, 50)->count, 10);
    leave(topic, &waiting);
}

static void reads_of_one_execution_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 1000, &waiting);
    for (uint64_t i = 0; i < 20; i++)
        topic_fetch(topic, 10 * i, FORMAT_TEXT, NULL);
    assert_int_equal(fixture->store.count, 8);
    for (uint64_t i = 0; i < 8; i++)
        answer_read(fixture, 10 * i, 10, 0);
    leave(topic, &waiting);
}

static void durable_records_that_are_not_found_are_never_passed_over(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 100, &waiting);
    topic_fetch(topic, 40, FORMAT_TEXT, NULL);
    answer_read(fixture, 40, 0, 0);
    assert_int_equal(waiting.failed, 1);
    assert_int_equal(waiting.err, ERR_CORRUPT);
    topic_fetch(topic, 100, FORMAT_TEXT, NULL); // there is none yet
    answer_read(fixture, 100, 0, 0);
    assert_int_equal(waiting.failed, 1);
    topic_fetch(topic, 40, FORMAT_TEXT, NULL);
    answer_read(fixture, 40, 0, ERR_UNAVAILABLE);
    assert_int_equal(waiting.failed, 2);
    assert_int_equal(waiting.err, ERR_UNAVAILABLE);
    leave(topic, &waiting);
}

// Against an array that says of each number which chunk has it.
static void what_comes_later_replaces_what_it_overlaps(void **state)
{
    enum { RECORDS = 200, PUTS = 2000 };
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, RECORDS, &waiting);
    struct {
        uint64_t first;
        uint32_t count; // 0: nobody has it
    } owner[RECORDS + 20] = {0};
    uint64_t seed = 1;
    for (int i = 0; i < PUTS; i++) {
        uint64_t first = test_random(&seed) % RECORDS;
        uint32_t count = 1 + (uint32_t)(test_random(&seed) % 20);
        put(topic, first, count);
        for (uint64_t at = first; at < first + count; at++) {
            uint64_t gone = owner[at].first, end = gone + owner[at].count;
            for (uint64_t k = gone; k < end; k++)
                owner[k].count = 0;
        }
        for (uint64_t at = first; at < first + count; at++) {
            owner[at].first = first;
            owner[at].count = count;
        }
        for (uint64_t at = 0; at < ARRAY_LEN(owner); at++) {
            const struct entry *entry = topic_find(topic, at);
            assert_int_equal(entry ? entry->count : 0, owner[at].count);
            if (entry)
                assert_int_equal(entry->first, owner[at].first);
        }
    }
    leave(topic, &waiting);
}

static void least_recently_used_goes_first_and_what_sockets_hold_stays(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 100, &waiting);
    for (uint64_t first = 0; first < 40; first += 10)
        put(topic, first, 10);
    CLEANUP(payload_unref)
    struct payload *held = payload_ref(entry_encode(topic_find(topic, 0), FORMAT_NDJSON)->payload);
    entry_used(topic_find(topic, 10));
    size_t all = fixture->fanout->cache_bytes;
    fanout_set_cache_bytes(fixture->fanout, all - 1);
    turns(fixture);
    assert_non_null(topic_find(topic, 0));
    assert_non_null(topic_find(topic, 10));
    assert_null(topic_find(topic, 20));
    assert_non_null(topic_find(topic, 30));
    fanout_set_cache_bytes(fixture->fanout, 1);
    turns(fixture);
    assert_non_null(topic_find(topic, 0));
    assert_int_equal(topic->entry_count, 1);
    payload_unref(&held);
    fanout_set_cache_bytes(fixture->fanout, 1);
    turns(fixture);
    assert_int_equal(topic->entry_count, 0);
    assert_int_equal(fixture->fanout->cache_bytes, 0);
    leave(topic, &waiting);
}

static void a_commit_is_kept_for_those_who_wait_and_only_where_it_follows(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    commit_records(fixture, 10, 5);
    turns(fixture);
    assert_int_equal(waiting.woken, 1);
    assert_int_equal(topic_find(topic, 12)->first, 10);
    commit_records(fixture, 20, 5); // what lies between was lost on the way here
    turns(fixture);
    assert_null(topic_find(topic, 20));
    assert_int_equal(topic->execution.next_sequence, 25);
    list_remove(&waiting.waiter.node);
    commit_records(fixture, 25, 5);
    turns(fixture);
    assert_null(topic_find(topic, 25));
    assert_int_equal(topic->execution.next_sequence, 30);
}

static void what_is_cut_off_the_front_leaves_the_cache(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 40, &waiting);
    for (uint64_t first = 0; first < 40; first += 10)
        put(topic, first, 10);
    commit(fixture, (struct store_change){.first = 40, .next = 40, .front = 25, .status = STATUS_RUNNING}, 0);
    turns(fixture);
    assert_int_equal(waiting.woken, 1);
    assert_int_equal(topic->execution.first_sequence, 25);
    assert_int_equal(topic->entry_count, 2);
    assert_null(topic_find(topic, 19));
    assert_int_equal(topic_find(topic, 20)->first, 20); // holds some that are left
    topic_refresh(topic);
    struct store_producer *query = STUB_TAKE(&fixture->store, STORE_PRODUCER, store_producer);
    query->ret_execution = (struct execution){.next_sequence = 40, .first_sequence = 40, .status = STATUS_RUNNING};
    stub_answer(&query->op, 0);
    assert_int_equal(topic->execution.first_sequence, 40);
    assert_int_equal(topic->entry_count, 0);
    // What is told later of an earlier moment.
    commit(fixture, (struct store_change){.first = 40, .next = 40, .front = 30, .status = STATUS_RUNNING}, 0);
    turns(fixture);
    assert_int_equal(topic->execution.first_sequence, 40);
    leave(topic, &waiting);
}

static void a_late_look_does_not_undo_what_was_heard_since(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct execution execution = execution_with(10);
    struct topic *topic = topic_open(fixture->fanout, &execution);
    waiting = (struct waiting){.waiter = {.wake = note_wake, .failed = note_failure}};
    list_push_back(&topic->waiters, &waiting.waiter.node);
    commit(fixture, (struct store_change){.next = 30, .status = STATUS_COMPLETED, .sealed = true}, 0);
    turns(fixture);
    answer_refresh(fixture, 20, STATUS_RUNNING);
    assert_int_equal(topic->execution.next_sequence, 30);
    assert_int_equal(topic->execution.status, STATUS_COMPLETED);
    assert_true(topic->execution.sealed);
    turns(fixture);
    leave(topic, &waiting);
}

// The bytes of chunks on their way to a loop are bounded; above that it hears of numbers alone.
static void a_loop_that_is_behind_gets_the_numbers_alone(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 0, &waiting);
    CLEANUP(free_ptr) char *text = xcalloc(1, 1 << 20);
    memset(text, 'x', 1 << 20);
    struct chunk_builder *builder = chunk_builder_new();
    struct record record = {.time_ms = 1, .stream = STREAM_STDOUT, .message = str_n(text, 1 << 20)};
    assert_int_equal(chunk_builder_add(builder, &record), 0);
    struct chunk *chunk = chunk_builder_finish(builder, 0);
    chunk_builder_free(&builder);
    for (uint64_t i = 0; i < 100; i++) {
        struct store_change change = {.row = ROW, .first = i, .chunk = chunk, .next = i + 1, .status = STATUS_RUNNING};
        fanout_publish(&fixture->fanout, 1, &change, 1);
    }
    turns(fixture);
    assert_int_equal(topic->execution.next_sequence, 100);
    assert_null(topic_find(topic, 99));
    assert_non_null(topic_find(topic, 10));
    chunk_unref(&chunk);
    leave(topic, &waiting);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

static void a_closed_chunk_is_opened_for_whoever_needs_its_records(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 100, &waiting);
    CLEANUP(chunk_unref) struct chunk *chunk = numbered(0, 50);
    CLEANUP(chunk_unref) struct chunk *closed = NULL;
    struct str bytes = chunk_encoded(chunk);
    assert_int_equal(chunk_decode_closed(bytes.data, bytes.len, &closed), 0);
    struct entry *entry = topic_put(topic, 0, closed);
    size_t before = entry->bytes;
    assert_false(chunk_is_open(entry->chunk));
    assert_true(entry_open(entry));
    assert_true(chunk_is_open(entry->chunk));
    assert_int_equal(entry->bytes - before, chunk_memory(entry->chunk) - chunk_memory(closed));
    assert_int_equal(entry_encode(entry, FORMAT_RAW)->count, 50);
    assert_true(entry_open(entry));
    leave(topic, &waiting);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(all_who_wait_for_a_place_share_one_read),
        TEST(reads_of_one_execution_are_bounded),
        TEST(durable_records_that_are_not_found_are_never_passed_over),
        TEST(what_comes_later_replaces_what_it_overlaps),
        TEST(least_recently_used_goes_first_and_what_sockets_hold_stays),
        TEST(a_commit_is_kept_for_those_who_wait_and_only_where_it_follows),
        TEST(what_is_cut_off_the_front_leaves_the_cache),
        TEST(a_late_look_does_not_undo_what_was_heard_since),
        TEST(a_closed_chunk_is_opened_for_whoever_needs_its_records),
        TEST(a_loop_that_is_behind_gets_the_numbers_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
