// What is told of other servers' commits, and what is asked for when nothing is told.
#include "fanout/testing.h"

static int set_up_shared(void **state)
{
    set_up(state);
    struct fixture *fixture = *state;
    fanout_free(&fixture->fanout);
    fixture->store.base.one_writer = false;
    fixture->fanout = fanout_of(fixture);
    return 0;
}

static void tell(struct fixture *fixture, struct store_change change)
{
    change.row = change.missed ? 0 : ROW;
    change.elsewhere = true;
    fanout_publish(&fixture->fanout, 1, &change, 1);
    turns(fixture);
}

// The refresh that waits, answered with what the store says of a log that has ended.
static void answer_ended(struct fixture *fixture, uint64_t next)
{
    struct store_producer *query = STUB_TAKE(&fixture->store, STORE_PRODUCER, store_producer);
    query->ret_execution = (struct execution){.next_sequence = next,
                                              .status = STATUS_FAILED,
                                              .sealed = true,
                                              .has_exit_code = true,
                                              .exit_code = 3,
                                              .restored_from = UINT64_MAX};
    stub_answer(&query->op, 0);
}

static void a_longer_log_is_read_at_once_and_an_older_hint_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    tell(fixture, (struct store_change){.next = 30, .status = STATUS_RUNNING});
    assert_int_equal(waiting.woken, 1);
    assert_int_equal(topic->execution.next_sequence, 30);
    tell(fixture, (struct store_change){.next = 20, .status = STATUS_RUNNING});
    assert_int_equal(waiting.woken, 1);
    assert_int_equal(topic->execution.next_sequence, 30);
    assert_int_equal(fixture->store.count, 0);
    leave(topic, &waiting);
}

// A hint may come from anybody who reaches the bus; of what is there the store has the last word.
static void what_a_hint_says_too_much_is_nothing_that_is_missing(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    tell(fixture, (struct store_change){.next = 1000, .status = STATUS_RUNNING});
    topic_fetch(topic, 10, FORMAT_TEXT, NULL);
    answer_read(fixture, 10, 0, 0);
    assert_int_equal(waiting.failed, 0);
    assert_int_equal(topic->execution.next_sequence, 10);
    topic_fetch(topic, 10, FORMAT_TEXT, NULL);
    answer_refresh(fixture, 12, STATUS_RUNNING); // it has grown since it was read
    answer_read(fixture, 10, 0, 0);
    assert_int_equal(waiting.failed, 0);
    assert_int_equal(topic->execution.next_sequence, 12);
    answer_refresh(fixture, 12, STATUS_RUNNING);
    assert_int_equal(topic->execution.next_sequence, 12);
    topic_fetch(topic, 10, FORMAT_TEXT, NULL);
    answer_read(fixture, 10, 0, 0); // that is missing now
    assert_int_equal(waiting.failed, 1);
    turns(fixture);
    leave(topic, &waiting);
}

static void a_sealed_log_does_not_grow_by_a_hint(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    tell(fixture, (struct store_change){.next = 1000, .status = STATUS_FAILED, .sealed = true});
    answer_ended(fixture, 12);
    assert_int_equal(topic->execution.next_sequence, 12);
    tell(fixture, (struct store_change){.next = 1000, .status = STATUS_FAILED, .sealed = true});
    assert_int_equal(topic->execution.next_sequence, 12);
    turns(fixture);
    leave(topic, &waiting);
}

static void how_it_ended_is_what_the_store_says(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    tell(fixture, (struct store_change){.next = 12, .status = STATUS_FAILED, .sealed = true});
    assert_false(topic->execution.sealed); // its exit code is not known yet
    tell(fixture, (struct store_change){.next = 12, .status = STATUS_FAILED, .sealed = true});
    answer_ended(fixture, 12);
    assert_true(topic->execution.sealed);
    assert_int_equal(topic->execution.exit_code, 3);
    answer_ended(fixture, 12); // the second hint came while the first was looked into
    turns(fixture);
    leave(topic, &waiting);
}

// The status flips here and elsewhere at the same time. Which came last, only a read says that begins afterwards.
static void a_change_of_state_is_looked_at_once_more(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    tell(fixture, (struct store_change){.next = 10, .status = STATUS_PAUSED});
    commit(fixture, (struct store_change){.first = 10, .next = 10, .status = STATUS_WAITING}, 0);
    turns(fixture);
    assert_int_equal(topic->execution.status, STATUS_WAITING);
    answer_refresh(fixture, 10, STATUS_PAUSED); // began before that: it counts for nothing
    assert_int_equal(topic->execution.status, STATUS_WAITING);
    answer_refresh(fixture, 10, STATUS_PAUSED);
    assert_int_equal(topic->execution.status, STATUS_PAUSED);
    turns(fixture);
    leave(topic, &waiting);
}

static void a_log_that_grows_here_does_not_keep_its_state_from_being_read(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    tell(fixture, (struct store_change){.next = 10, .status = STATUS_PAUSED});
    commit(fixture, (struct store_change){.first = 10, .next = 15, .status = STATUS_RUNNING}, 5);
    turns(fixture);
    answer_refresh(fixture, 12, STATUS_PAUSED);
    assert_int_equal(topic->execution.status, STATUS_PAUSED);
    assert_int_equal(topic->execution.next_sequence, 15);
    turns(fixture);
    leave(topic, &waiting);
}

// A commit of this server is told late, after another server has sealed the log and that was heard of.
static void what_was_sealed_stays_as_it_ended(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    tell(fixture, (struct store_change){.next = 12, .status = STATUS_FAILED, .sealed = true});
    answer_ended(fixture, 12);
    commit(fixture, (struct store_change){.first = 10, .next = 11, .status = STATUS_WAITING}, 1);
    turns(fixture);
    assert_int_equal(topic->execution.status, STATUS_FAILED);
    assert_int_equal(topic->execution.exit_code, 3);
    assert_int_equal(topic->execution.next_sequence, 12);
    leave(topic, &waiting);
}

static void a_look_that_fails_for_now_ends_nobody(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    tell(fixture, (struct store_change){.next = 10, .status = STATUS_PAUSED});
    stub_answer(&STUB_TAKE(&fixture->store, STORE_PRODUCER, store_producer)->op, ERR_UNAVAILABLE);
    assert_int_equal(waiting.failed, 0);
    tell(fixture, (struct store_change){.next = 10, .status = STATUS_PAUSED});
    stub_answer(&STUB_TAKE(&fixture->store, STORE_PRODUCER, store_producer)->op, ERR_NOT_FOUND);
    assert_int_equal(waiting.failed, 1);
    leave(topic, &waiting);
}

static void what_was_missed_is_asked_for(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    tell(fixture, (struct store_change){.missed = true});
    while (fixture->store.count == 0) { // soon, by a timer
        loop_stop(fixture->loop);
        loop_run(fixture->loop);
    }
    struct store_look *look = STUB_TAKE(&fixture->store, STORE_LOOK, store_look);
    assert_int_equal(look->count, 1);
    assert_int_equal(look->rows[0], ROW);
    look->ret_changes = xcalloc(1, sizeof(*look->ret_changes));
    look->ret_changes[0] =
        (struct store_change){.elsewhere = true, .row = ROW, .next = 40, .status = STATUS_FAILED, .sealed = true};
    look->ret_count = 1;
    stub_answer(&look->op, 0);
    assert_int_equal(topic->execution.next_sequence, 40);
    answer_ended(fixture, 40);
    assert_true(topic->execution.sealed);
    turns(fixture);
    leave(topic, &waiting);
}

// A log stays in mind for a while when nobody follows it any more, and is not asked about.
static void who_comes_later_does_not_get_an_old_end(void **state)
{
    struct fixture *fixture = *state;
    struct waiting waiting;
    struct topic *topic = watched(fixture, 10, &waiting);
    CLEANUP(chunk_unref) struct chunk *chunk = numbered(0, 10);
    topic_put(topic, 0, chunk);
    leave(topic, &waiting);
    struct execution execution = execution_with(25);
    assert_ptr_equal(topic_open(fixture->fanout, &execution), topic);
    assert_int_equal(topic->execution.next_sequence, 25);
    topic_clear(topic);
    turns(fixture);
}

#define SHARED(name) cmocka_unit_test_setup_teardown(name, set_up_shared, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SHARED(a_longer_log_is_read_at_once_and_an_older_hint_changes_nothing),
        SHARED(what_a_hint_says_too_much_is_nothing_that_is_missing),
        SHARED(a_sealed_log_does_not_grow_by_a_hint),
        SHARED(how_it_ended_is_what_the_store_says),
        SHARED(a_change_of_state_is_looked_at_once_more),
        SHARED(a_log_that_grows_here_does_not_keep_its_state_from_being_read),
        SHARED(what_was_sealed_stays_as_it_ended),
        SHARED(a_look_that_fails_for_now_ends_nobody),
        SHARED(what_was_missed_is_asked_for),
        SHARED(who_comes_later_does_not_get_an_old_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
