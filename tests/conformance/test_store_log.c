// Logs, from the first record to the purge, as every adapter of the store's port keeps them.
#include "store/store_fixture.h"

// --- Numbering

static void records_are_numbered_without_holes(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    struct store_append first = fixture_append_lines(fixture, row, "p", 0, 10);
    assert_int_equal(first.op.err, 0);
    assert_int_equal(first.ret_first_sequence, 0);
    assert_int_equal(first.ret_appended, 10);
    assert_int_equal(first.ret_next, 10);
    struct store_append other = fixture_append_lines(fixture, row, "q", 0, 5);
    assert_int_equal(other.ret_first_sequence, 10);
    struct store_append anonymous = fixture_append_lines(fixture, row, "", 77, 3);
    assert_int_equal(anonymous.ret_first_sequence, 15);
    struct store_append second = fixture_append_lines(fixture, row, "p", 10, 4);
    assert_int_equal(second.ret_first_sequence, 18);
    assert_int_equal(second.ret_producer_next, 14);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 22);
    struct execution got = fixture_get(fixture, account, "e");
    assert_int_equal(got.next_sequence, 22);
    execution_release(&got);
}

static void what_was_repeated_is_cut_off(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    fixture_append_lines(fixture, row, "p", 0, 10);
    struct store_append overlapping = fixture_append_lines(fixture, row, "p", 5, 10);
    assert_int_equal(overlapping.op.err, 0);
    assert_int_equal(overlapping.ret_first_sequence, 10);
    assert_int_equal(overlapping.ret_appended, 5);
    struct store_append repeated = fixture_append_lines(fixture, row, "p", 5, 10);
    assert_int_equal(repeated.op.err, 0);
    assert_int_equal(repeated.ret_appended, 0);
    assert_int_equal(repeated.ret_first_sequence, 10);
    assert_int_equal(repeated.ret_next, 15);
    struct store_append tail = fixture_append_lines(fixture, row, "p", 12, 3);
    assert_int_equal(tail.ret_first_sequence, 12);
    fixture_reopen(fixture);
    repeated = fixture_append_lines(fixture, row, "p", 5, 10);
    assert_int_equal(repeated.ret_first_sequence, 10);
    assert_int_equal(fixture_read(fixture, row, 0, 1, NULL, NULL), 15);
}

static struct sequence_producer producer_of(struct fixture *fixture, int64_t row, const char *name)
{
    struct store_producer known = {.op.kind = STORE_PRODUCER, .row = row, .producer = str_of(name)};
    assert_int_equal(fixture_run(fixture, &known.op), 0);
    store_op_release(&known.op);
    return known.ret_producer;
}

static uint64_t digest_of_chunk(uint64_t counter, uint32_t count, uint64_t digest)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(counter, count, 40, 1000 + (int64_t)counter);
    return chunk_digest(chunk, digest);
}

static void a_producers_digest_is_that_of_its_own_records(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    fixture_append_lines(fixture, row, "p", 0, 10);
    fixture_append_lines(fixture, row, "q", 0, 5);
    fixture_append_lines(fixture, row, "p", 5, 10); // its first half is a repetition
    fixture_append_lines(fixture, row, "", 0, 3);
    uint64_t p = digest_of_chunk(0, 15, 0), q = digest_of_chunk(0, 5, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(producer_of(fixture, row, "p").next, 15);
        assert_int_equal(producer_of(fixture, row, "p").digest, p);
        assert_int_equal(producer_of(fixture, row, "q").digest, q);
        assert_int_equal(producer_of(fixture, row, "new").digest, 0);
        assert_false(producer_of(fixture, row, "p").digest_unknown || producer_of(fixture, row, "new").digest_unknown);
        fixture_reopen(fixture);
    }
    fixture_append_lines(fixture, row, "p", 15, 5);
    struct store_complete end = fixture_complete(fixture, row, "p", 19);
    assert_int_equal(end.op.err, 0);
    assert_int_equal(end.ret_producer.next, 20);
    assert_int_equal(end.ret_producer.digest, digest_of_chunk(15, 5, p));
    store_op_release(&end.op);
    // Also when it is asked again.
    end = fixture_complete(fixture, row, "p", 19);
    assert_int_equal(end.op.err, 0);
    assert_int_equal(end.ret_producer.digest, digest_of_chunk(15, 5, p));
    store_op_release(&end.op);
}

static void after_a_stated_gap_a_producers_digest_goes_on_from_what_it_says(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    CLEANUP(chunk_unref) struct chunk *gap = fixture_chunk(9, 1, 40, 0);
    uint64_t said = 0x123456789abcdef0;
    fixture_append_lines(fixture, row, "p", 0, 3);
    struct store_append skip = {.op.kind = STORE_APPEND,
                                .row = row,
                                .producer = STR("p"),
                                .first = 9,
                                .skip_ahead = true,
                                .skip_digest = &said,
                                .chunk = gap};
    assert_int_equal(fixture_run(fixture, &skip.op), 0);
    fixture_append_lines(fixture, row, "p", 10, 5);
    fixture_reopen(fixture);
    assert_int_equal(producer_of(fixture, row, "p").digest, digest_of_chunk(10, 5, said));
    // Of who does not say it, nobody knows it any more.
    skip.producer = STR("q");
    skip.skip_digest = NULL;
    assert_int_equal(fixture_run(fixture, &skip.op), 0);
    fixture_append_lines(fixture, row, "q", 10, 5);
    assert_true(producer_of(fixture, row, "q").digest_unknown);
    fixture_reopen(fixture);
    assert_true(producer_of(fixture, row, "q").digest_unknown);
}

static void a_gap_and_a_conflict_are_refused(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    fixture_append_lines(fixture, row, "p", 0, 10);
    struct store_append gap = fixture_append_lines(fixture, row, "p", 11, 1);
    assert_int_equal(gap.op.err, ERR_GAP);
    assert_int_equal(gap.ret_producer_next, 10);
    CLEANUP(chunk_unref) struct chunk *different = fixture_chunk(500, 10, 40, 0);
    struct store_append conflict = fixture_append(fixture, row, "p", 0, different);
    assert_int_equal(conflict.op.err, ERR_CONFLICT);
    assert_int_equal(conflict.ret_producer_next, 10);
    CLEANUP(chunk_unref) struct chunk *later = fixture_chunk(20, 5, 40, 0);
    struct store_append skipping = {
        .op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = 20, .skip_ahead = true, .chunk = later};
    assert_int_equal(fixture_run(fixture, &skipping.op), 0);
    assert_int_equal(skipping.ret_first_sequence, 10);
    assert_int_equal(skipping.ret_producer_next, 25);
    struct store_append missing = fixture_append_lines(fixture, 4711, "p", 0, 1);
    assert_int_equal(missing.op.err, ERR_NOT_FOUND);
}

static void a_stale_runner_is_fenced(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_QUEUED);
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(0, 3, 40, 0);
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = row};
    struct store_append append_1 = {
        .op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .epoch = 1, .chunk = chunk};
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .epoch = 1, .status = STATUS_COMPLETED};
    fixture_run(fixture, &claim.op);
    store_op_release(&claim.op);
    assert_int_equal(fixture_run(fixture, &append_1.op), 0);
    fixture_run(fixture, &claim.op);
    store_op_release(&claim.op);
    append_1.producer = STR("q");
    assert_int_equal(fixture_run(fixture, &append_1.op), ERR_FENCED);
    assert_int_equal(fixture_run(fixture, &end.op), ERR_FENCED);
    append_1.epoch = 2;
    assert_int_equal(fixture_run(fixture, &append_1.op), 0);
}

static void a_producers_counter_is_told(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    fixture_append_lines(fixture, row, "p", 0, 10);
    for (int i = 0; i < 2; i++) {
        struct store_producer known = {.op.kind = STORE_PRODUCER, .row = row, .producer = STR("p")};
        assert_int_equal(fixture_run(fixture, &known.op), 0);
        assert_int_equal(known.ret_producer.next, 10);
        assert_int_equal(known.ret_execution.next_sequence, 10);
        store_op_release(&known.op);
        struct store_producer fresh = {.op.kind = STORE_PRODUCER, .row = row, .producer = STR("q")};
        assert_int_equal(fixture_run(fixture, &fresh.op), 0);
        assert_int_equal(fresh.ret_producer.next, 0);
        store_op_release(&fresh.op);
        fixture_reopen(fixture);
    }
}

// --- Reading

static void reads_begin_at_the_covering_chunk_in_both_directions(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    for (uint64_t i = 0; i < 10; i++)
        fixture_append_lines(fixture, row, "p", i * 10, 10);
    struct store_read read = {.op.kind = STORE_READ, .row = row, .from = 35, .max_bytes = 1};
    assert_int_equal(fixture_run(fixture, &read.op), 0);
    assert_int_equal(read.ret_count, 1);
    assert_true(read.ret_segments[0].first <= 35);
    assert_true(read.ret_segments[0].first + chunk_count(read.ret_segments[0].chunk) > 35);
    assert_int_equal(read.ret_next, 100);
    store_op_release(&read.op);
    read = (struct store_read){.op.kind = STORE_READ, .row = row, .from = 35, .backward = true, .max_bytes = 1 << 20};
    assert_int_equal(fixture_run(fixture, &read.op), 0);
    assert_int_equal(read.ret_segments[0].first, 0);
    const struct store_segment *last = &read.ret_segments[read.ret_count - 1];
    assert_true(last->first <= 34 && last->first + chunk_count(last->chunk) > 34);
    store_op_release(&read.op);
    read = (struct store_read){.op.kind = STORE_READ, .row = row, .by_time = true, .since_ms = 1055, .max_bytes = 1};
    assert_int_equal(fixture_run(fixture, &read.op), 0);
    assert_true(read.ret_segments[0].first <= 55 && chunk_time_max(read.ret_segments[0].chunk) >= 1055);
    store_op_release(&read.op);
    read.since_ms = 5000; // after all
    assert_int_equal(fixture_run(fixture, &read.op), 0);
    assert_int_equal(read.ret_count, 0);
    assert_int_equal(read.ret_next, 100);
    read = (struct store_read){.op.kind = STORE_READ, .row = row, .from = 5000, .max_bytes = 1};
    assert_int_equal(fixture_run(fixture, &read.op), 0);
    assert_int_equal(read.ret_count, 0);
    read.backward = true;
    assert_int_equal(fixture_run(fixture, &read.op), 0);
    assert_int_equal(read.ret_count, 1);
    store_op_release(&read.op);
}

// --- The end

static void a_log_is_sealed_when_all_of_it_is_there(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    fixture_append_lines(fixture, row, "p", 0, 10);
    struct store_complete early = fixture_complete(fixture, row, "p", 11);
    assert_int_equal(early.op.err, ERR_GAP);
    assert_int_equal(early.ret_producer.next, 10);
    assert_int_equal(fixture_complete_err(fixture, row, "p", 8), ERR_CONFLICT);
    struct store_complete end = fixture_complete(fixture, row, "p", 9);
    assert_int_equal(end.op.err, 0);
    assert_true(end.ret_execution.sealed);
    assert_int_equal(end.ret_execution.next_sequence, 10);
    assert_int_equal(end.ret_execution.status, STATUS_COMPLETED);
    store_op_release(&end.op);
    end = fixture_complete(fixture, row, "p", 9);
    assert_int_equal(end.op.err, 0); // the same outcome
    store_op_release(&end.op);
    struct store_complete other = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_FAILED};
    assert_int_equal(fixture_run(fixture, &other.op), ERR_SEALED);
    assert_int_equal(other.ret_execution.status, STATUS_COMPLETED);
    store_op_release(&other.op);
    assert_int_equal(fixture_append_lines(fixture, row, "p", 10, 1).op.err, ERR_SEALED);
    assert_int_equal(fixture_append_lines(fixture, row, "p", 0, 10).op.err, 0); // a repetition
    fixture_reopen(fixture);
    assert_int_equal(fixture_append_lines(fixture, row, "p", 10, 1).op.err, ERR_SEALED);
    struct execution got = fixture_get(fixture, account, "e");
    assert_true(got.sealed);
    assert_int_equal(got.sealed_ms, atomic_load(&fixture->now_ms));
    execution_release(&got);
}

static void a_wrong_digest_is_refused(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    CLEANUP(chunk_unref) struct chunk *first = fixture_chunk(0, 10, 40, 0), *second = fixture_chunk(10, 4, 40, 0);
    fixture_append(fixture, row, "p", 0, first);
    fixture_reopen(fixture);
    fixture_append(fixture, row, "p", 10, second);
    struct store_complete end = {
        .op.kind = STORE_COMPLETE, .row = row, .has_digest = true, .digest = 1, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), ERR_DIGEST);
    end.digest = chunk_digest(second, chunk_digest(first, 0));
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    assert_int_equal(end.ret_execution.message_bytes, chunk_message_bytes(first) + chunk_message_bytes(second));
    store_op_release(&end.op);
    chunk_unref(&second);
}

static void a_purged_execution_is_gone_and_its_id_taken(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    fixture_append_lines(fixture, row, "p", 0, 10);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), ERR_CONFLICT);
    fixture_complete_err(fixture, row, "p", 9);
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    for (int i = 0; i < 2; i++) {
        struct store_read read = {.op.kind = STORE_READ, .row = row, .max_bytes = 1000};
        assert_int_equal(fixture_run(fixture, &read.op), ERR_EXPIRED);
        assert_int_equal(fixture_append_lines(fixture, row, "p", 0, 10).op.err, ERR_EXPIRED);
        struct store_create again = {.op.kind = STORE_CREATE,
                                     .execution = {.account = account, .execution_id = xstrdup("e")}};
        assert_int_equal(fixture_run(fixture, &again.op), ERR_EXPIRED);
        store_op_release(&again.op);
        struct execution got = fixture_get(fixture, account, "e");
        assert_true(got.purged);
        assert_int_equal(got.first_sequence, 10);
        execution_release(&got);
        fixture_reopen(fixture);
    }
}

static void a_backup_is_whole_and_has_another_incarnation(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    fixture_append_lines(fixture, row, "p", 0, 10);
    char *incarnation = xstrdup(store_incarnation(fixture->store));
    CLEANUP(free_ptr) char *path = xasprintf("%s/backup.db", fixture->folder);
    struct store_backup backup = {.op.kind = STORE_BACKUP, .folder = str_of(fixture->folder), .name = STR("backup.db")};
    int err = fixture_run(fixture, &backup.op);
    if (!store_alone(fixture->store)) { // the database has tools of its own
        assert_int_equal(err, ERR_UNSUPPORTED);
        assert_non_null(strstr(backup.ret_reason, "makes no backups"));
        store_op_release(&backup.op);
        free(incarnation);
        return;
    }
    if (err < 0)
        fail_msg("%s", backup.ret_reason);
    assert_string_equal(backup.ret_path, path);
    unsigned others = backup.ret_others;
    store_op_release(&backup.op);
    assert_int_equal(fixture_run(fixture, &backup.op), ERR_CONFLICT);
    assert_non_null(strstr(backup.ret_reason, "exists already"));
    store_op_release(&backup.op);
    fixture_append_lines(fixture, row, "p", 10, 10);
    fixture_reopen(fixture);
    assert_string_equal(store_incarnation(fixture->store), incarnation);

    store_free(&fixture->store);
    CLEANUP(free_ptr) char *original = xasprintf("%s/runnel.db", fixture->folder);
    CLEANUP(free_ptr) char *second = xasprintf("%s.1", path); // of several stores
    CLEANUP(free_ptr) char *second_original = xasprintf("%s/second/runnel.db", fixture->folder);
    assert_int_equal(rename(path, original), 0);
    assert_int_equal(rename(second, second_original), others == 1 ? 0 : -1);
    assert_int_equal(fixture->adapter->open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
    assert_string_not_equal(store_incarnation(fixture->store), incarnation);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 10);
    free(incarnation);
    incarnation = xstrdup(store_incarnation(fixture->store));
    fixture_reopen(fixture);
    assert_string_equal(store_incarnation(fixture->store), incarnation);
    free(incarnation);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(records_are_numbered_without_holes),
        ON_EACH(what_was_repeated_is_cut_off),
        ON_EACH(a_producers_digest_is_that_of_its_own_records),
        ON_EACH(after_a_stated_gap_a_producers_digest_goes_on_from_what_it_says),
        ON_EACH(a_gap_and_a_conflict_are_refused),
        ON_EACH(a_stale_runner_is_fenced),
        ON_EACH(a_log_is_sealed_when_all_of_it_is_there),
        ON_EACH(a_wrong_digest_is_refused),
        ON_EACH(a_purged_execution_is_gone_and_its_id_taken),
        ON_EACH(reads_begin_at_the_covering_chunk_in_both_directions),
        ON_EACH(a_producers_counter_is_told),
        ON_EACH(a_backup_is_whole_and_has_another_incarnation),
    };
    return FIXTURE_EACH(tests);
}
