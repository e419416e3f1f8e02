// The front of a log that has more than it may keep, as every adapter of the store's port cuts it.
#include "store/store_fixture.h"

#define CHUNK 1000 // records of 200 bytes: large enough to be a chunk of its own in the store

static const struct retention none, records = {.log.records_max = 2500}, bytes = {.log.bytes_max = 450000};

struct log {
    struct fixture *fixture;
    int64_t account, row;
    uint64_t next, digest;           // of all of it
    uint64_t digests[16], sizes[16]; // of the first so many chunks
    size_t chunks;
};

static void append_chunk(struct log *log)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(log->next, CHUNK, 200, 1000 + (int64_t)log->next);
    struct store_append append = fixture_append(log->fixture, log->row, "p", log->next, chunk);
    assert_int_equal(append.op.err, 0);
    assert_int_equal(append.ret_first_sequence, log->next);
    log->next += CHUNK;
    log->digest = chunk_digest(chunk, log->digest);
    log->chunks++;
    log->digests[log->chunks] = log->digest;
    log->sizes[log->chunks] = log->sizes[log->chunks - 1] + chunk_message_bytes(chunk);
}

static struct log make(struct fixture *fixture, size_t chunks)
{
    int64_t account = fixture_account(fixture, "a");
    struct log log = {
        .fixture = fixture, .account = account, .row = fixture_create(fixture, account, "e", STATUS_RUNNING)};
    for (size_t i = 0; i < chunks; i++)
        append_chunk(&log);
    return log;
}

static void seal(const struct log *log)
{
    struct store_complete end = {.op.kind = STORE_COMPLETE,
                                 .row = log->row,
                                 .has_digest = true,
                                 .digest = log->digest,
                                 .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(log->fixture, &end.op), 0);
    store_op_release(&end.op);
}

static struct store_front look(const struct log *log, const struct retention *rules)
{
    struct store_front front = {.op.kind = STORE_FRONT, .row = log->row, .rules = rules};
    assert_int_equal(fixture_run(log->fixture, &front.op), 0);
    return front;
}

static int try_cut(const struct log *log, const struct retention *rules, const struct store_front *front)
{
    struct store_cut cut = {
        .op.kind = STORE_CUT, .row = log->row, .rules = rules, .before = front->ret_before, .after = front->ret_after};
    return fixture_run(log->fixture, &cut.op);
}

// Cuts until nothing goes any more. What is being merged can go a moment later.
static void cut(const struct log *log, const struct retention *rules)
{
    struct store_front front = look(log, rules);
    while (front.ret_after.first > front.ret_before.first) {
        int err = try_cut(log, rules, &front);
        assert_true(err == 0 || err == ERR_HELD);
        front = look(log, rules);
    }
}

// The log has lost so many chunks, and all else is there.
static void assert_lost(const struct log *log, size_t chunks)
{
    uint64_t first = chunks * CHUNK;
    struct execution got = fixture_get(log->fixture, log->account, "e");
    assert_int_equal(got.first_sequence, first);
    assert_int_equal(got.next_sequence, log->next);
    assert_int_equal(got.digest, log->digest);
    assert_int_equal(got.message_bytes, log->sizes[log->chunks]);
    assert_int_equal(got.has_cut_digest, chunks > 0);
    assert_int_equal(got.cut_digest, log->digests[chunks]);
    execution_release(&got);
    struct store_front front = look(log, &none);
    assert_int_equal(front.ret_before.first, first);
    assert_int_equal(front.ret_before.bytes, log->sizes[chunks]);
    assert_int_equal(fixture_read(log->fixture, log->row, first, 1 << 20, NULL, NULL), log->next);

    struct store_read read = {.op.kind = STORE_READ, .row = log->row, .max_bytes = 1};
    assert_int_equal(fixture_run(log->fixture, &read.op), 0);
    assert_int_equal(read.ret_first_sequence, first);
    assert_int_equal(read.ret_segments[0].first, first);
    store_op_release(&read.op);
    read = (struct store_read){
        .op.kind = STORE_READ, .row = log->row, .from = log->next, .backward = true, .max_bytes = 1 << 30};
    assert_int_equal(fixture_run(log->fixture, &read.op), 0);
    assert_int_equal(read.ret_segments[0].first, first);
    store_op_release(&read.op);
    read = (struct store_read){.op.kind = STORE_READ, .row = log->row, .by_time = true, .since_ms = 1, .max_bytes = 1};
    assert_int_equal(fixture_run(log->fixture, &read.op), 0);
    assert_int_equal(read.ret_segments[0].first, first);
    store_op_release(&read.op);
}

static void whole_chunks_go_and_never_more_than_a_limit_lets_go(void **state)
{
    struct fixture *fixture = *state;
    struct log log = make(fixture, 5);
    seal(&log);
    cut(&log, &none);
    assert_lost(&log, 0);
    cut(&log, &records);
    assert_lost(&log, 2); // of 5,000 records 2,500 are to stay
    fixture_reopen(fixture);
    assert_lost(&log, 2);
    cut(&log, &bytes);
    assert_lost(&log, 2); // of 600,000 bytes 450,000 are to stay
    const struct retention less = {.log.bytes_max = 390000};
    cut(&log, &less);
    assert_lost(&log, 3);
    cut(&log, &less);
    assert_lost(&log, 3);
}

static void a_log_goes_on_after_a_cut_and_ends_with_the_digest_of_all_of_it(void **state)
{
    struct fixture *fixture = *state;
    struct log log = make(fixture, 4);
    cut(&log, &records);
    assert_lost(&log, 1);
    struct store_append again = fixture_append_lines(fixture, log.row, "p", 4 * CHUNK - 10, 5); // before its end
    assert_int_equal(again.op.err, 0);
    assert_int_equal(again.ret_appended, 0);
    append_chunk(&log);
    append_chunk(&log);
    cut(&log, &records);
    assert_lost(&log, 3);
    seal(&log);
    assert_lost(&log, 3);
    fixture_reopen(fixture);
    assert_lost(&log, 3);
}

static void nothing_is_cut_that_is_to_be_kept_after_all(void **state)
{
    struct fixture *fixture = *state;
    struct log log = make(fixture, 5);
    seal(&log);
    struct store_front front = look(&log, &records);
    assert_int_equal(front.ret_after.first, 2 * CHUNK);
    const struct retention more = {.log.records_max = 4000};
    assert_int_equal(try_cut(&log, &more, &front), ERR_CONFLICT);
    struct store_update pin = {.op.kind = STORE_UPDATE, .row = log.row, .has_pin = true, .pin = true};
    assert_int_equal(fixture_run(fixture, &pin.op), 0);
    store_op_release(&pin.op);
    assert_int_equal(try_cut(&log, &records, &front), ERR_CONFLICT);
    struct store_front pinned = look(&log, &records);
    assert_int_equal(pinned.ret_after.first, 0);
    assert_lost(&log, 0);
    pin.pin = false;
    assert_int_equal(fixture_run(fixture, &pin.op), 0);
    store_op_release(&pin.op);
    struct store_front wrong = front;
    wrong.ret_after.first -= 10; // no chunk ends there
    assert_int_equal(try_cut(&log, &records, &wrong), ERR_CONFLICT);
    cut(&log, &records);
    assert_lost(&log, 2);
    assert_int_equal(try_cut(&log, &records, &front), ERR_CONFLICT); // it has gone already
    assert_lost(&log, 2);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = log.row};
    front = look(&log, &(struct retention){.log.records_max = 1000});
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_int_equal(try_cut(&log, &records, &front), ERR_CONFLICT);
    struct execution got = fixture_get(fixture, log.account, "e");
    assert_true(got.purged);
    assert_int_equal(got.first_sequence, 5 * CHUNK);
    execution_release(&got);
}

static void its_own_limits_beat_the_rules(void **state)
{
    struct fixture *fixture = *state;
    struct log log = {.fixture = fixture, .account = fixture_account(fixture, "a")};
    struct store_create create = {.op.kind = STORE_CREATE,
                                  .execution = {.account = log.account,
                                                .execution_id = xstrdup("e"),
                                                .status = STATUS_RUNNING,
                                                .retention = {.has_records = true, .log.records_max = 4000}}};
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    log.row = create.execution.row;
    assert_true(create.execution.retention.has_records && !create.execution.retention.has_bytes);
    store_op_release(&create.op);
    for (int i = 0; i < 5; i++)
        append_chunk(&log);
    cut(&log, &records);
    assert_lost(&log, 1);
    cut(&log, &bytes); // of which it says nothing
    assert_lost(&log, 2);
}

struct watched {
    uint64_t front, next;
};

static void watch(void *arg, const struct store_change *changes, size_t count)
{
    struct watched *watched = arg;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].row != 0)
            *watched = (struct watched){changes[i].front, changes[i].next};
    }
}

static void those_who_watch_are_told_where_the_log_begins(void **state)
{
    struct fixture *fixture = *state;
    struct watched watched = {0};
    assert_int_equal(store_watch(fixture->store, watch, &watched), 0);
    struct log log = make(fixture, 5);
    cut(&log, &records);
    assert_int_equal(watched.front, 2 * CHUNK);
    assert_int_equal(watched.next, 5 * CHUNK);
    append_chunk(&log);
    assert_int_equal(watched.front, 2 * CHUNK);
    assert_int_equal(watched.next, 6 * CHUNK);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(whole_chunks_go_and_never_more_than_a_limit_lets_go),
        ON_EACH(a_log_goes_on_after_a_cut_and_ends_with_the_digest_of_all_of_it),
        ON_EACH(nothing_is_cut_that_is_to_be_kept_after_all),
        ON_EACH(its_own_limits_beat_the_rules),
        ON_EACH(those_who_watch_are_told_where_the_log_begins),
    };
    return FIXTURE_EACH(tests);
}
