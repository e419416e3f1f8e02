// What every adapter of the store's port does. Each test runs against each adapter of the table at the end.
#include "store/sqlite/sqlite_store.h"
#include "store/store_fixture.h"

#include <stdatomic.h>

static struct store_append append(struct fixture *fixture, int64_t row, const char *producer, uint64_t first,
                                  uint32_t count)
{
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(first, count, 40, 1000 + (int64_t)first);
    return fixture_append(fixture, row, producer, first, chunk);
}

static struct store_complete complete(struct fixture *fixture, int64_t row, const char *producer, int64_t final)
{
    struct store_complete end = {
        .op.kind = STORE_COMPLETE,
        .row = row,
        .producer = str_of(producer),
        .has_final = true,
        .final = final,
        .status = STATUS_COMPLETED,
        .has_exit_code = true,
    };
    fixture_run(fixture, &end.op);
    return end;
}

static int complete_err(struct fixture *fixture, int64_t row, const char *producer, int64_t final)
{
    struct store_complete end = complete(fixture, row, producer, final);
    store_op_release(&end.op);
    return end.op.err;
}

// --- Executions

static void an_account_is_made_once(void **state)
{
    struct fixture *fixture = *state;
    struct store_account_ensure ensure = {.op.kind = STORE_ACCOUNT_ENSURE, .name = STR("a")};
    assert_int_equal(fixture_run(fixture, &ensure.op), 0);
    assert_true(ensure.ret_created);
    int64_t account = ensure.ret_account;
    assert_int_equal(fixture_run(fixture, &ensure.op), 0);
    assert_false(ensure.ret_created);
    assert_int_equal(ensure.ret_account, account);
    assert_int_not_equal(fixture_account(fixture, "b"), account);
}

static void an_execution_is_given_back_as_it_was_created(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    struct store_create create = {
        .op.kind = STORE_CREATE,
        .execution =
            {
                .account = account,
                .status = STATUS_QUEUED,
                .owner = xstrdup("ada"),
                .script_filename = xstrdup("job.py"),
                .runtime = xstrdup("python"),
                .workflow_id = xstrdup("w"),
                .batch_id = xstrdup("b"),
                .spec_json = xstrdup("{\"command\":[\"ls\"]}"),
                .metadata_json = xstrdup("{\"team\":\"x\"}"),
            },
    };
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    assert_true(strlen(create.execution.execution_id) == 31);
    assert_int_equal(create.execution.created_ms, atomic_load(&fixture->now_ms));
    fixture_reopen(fixture);
    struct execution got = fixture_get(fixture, account, create.execution.execution_id);
    assert_int_equal(got.row, create.execution.row);
    assert_int_equal(got.status, STATUS_QUEUED);
    assert_string_equal(got.owner, "ada");
    assert_string_equal(got.script_filename, "job.py");
    assert_string_equal(got.runtime, "python");
    assert_string_equal(got.workflow_id, "w");
    assert_string_equal(got.batch_id, "b");
    assert_null(got.spec_json); // up to 8 MiB: kept for whoever runs it, not for whoever looks at it
    assert_string_equal(got.metadata_json, "{\"team\":\"x\"}");
    assert_null(got.worker_id);
    assert_false(got.has_exit_code);
    execution_release(&got);
    store_op_release(&create.op);
}

static void an_execution_id_is_taken_once_per_account(void **state)
{
    struct fixture *fixture = *state;
    int64_t a = fixture_account(fixture, "a"), b = fixture_account(fixture, "b");
    fixture_create(fixture, a, "same", STATUS_QUEUED);
    fixture_create(fixture, b, "same", STATUS_QUEUED);
    struct store_create again = {.op.kind = STORE_CREATE,
                                 .execution = {.account = a, .execution_id = xstrdup("same"), .status = STATUS_QUEUED}};
    assert_int_equal(fixture_run(fixture, &again.op), ERR_CONFLICT);
    store_op_release(&again.op);
    struct store_get get = {.op.kind = STORE_GET, .account = a, .execution_id = STR("other")};
    assert_int_equal(fixture_run(fixture, &get.op), ERR_NOT_FOUND);
}

static int create_with_key(struct fixture *fixture, int64_t account, uint64_t hash, bool *ret_existed, int64_t *ret_row)
{
    struct store_create create = {
        .op.kind = STORE_CREATE,
        .execution = {.account = account, .status = STATUS_QUEUED},
        .idempotency_key = STR("key"),
        .request_hash = hash,
    };
    int err = fixture_run(fixture, &create.op);
    *ret_existed = create.ret_existed;
    *ret_row = create.execution.row;
    store_op_release(&create.op);
    return err;
}

static void an_idempotency_key_holds_for_a_day(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), other = fixture_account(fixture, "b"), first, row;
    bool existed;
    assert_int_equal(create_with_key(fixture, account, 7, &existed, &first), 0);
    assert_false(existed);
    atomic_fetch_add(&fixture->now_ms, 24 * 3600 * 1000LL - 1);
    fixture_reopen(fixture);
    assert_int_equal(create_with_key(fixture, account, 7, &existed, &row), 0);
    assert_true(existed);
    assert_int_equal(row, first);
    assert_int_equal(create_with_key(fixture, account, 8, &existed, &row), ERR_IDEMPOTENCY);
    assert_int_equal(create_with_key(fixture, other, 8, &existed, &row), 0);
    assert_false(existed);
    atomic_fetch_add(&fixture->now_ms, 2);
    assert_int_equal(create_with_key(fixture, account, 8, &existed, &row), 0);
    assert_false(existed);
    assert_int_not_equal(row, first);
}

static void open_executions_are_bounded(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t first = fixture_create(fixture, account, "e1", STATUS_RUNNING);
    fixture_create(fixture, account, "e2", STATUS_QUEUED);
    struct store_create create = {
        .op.kind = STORE_CREATE, .execution = {.account = account, .status = STATUS_QUEUED}, .open_max = 2};
    assert_int_equal(fixture_run(fixture, &create.op), ERR_RATE);
    assert_int_equal(complete_err(fixture, first, "", -1), 0);
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    store_op_release(&create.op);
    struct store_count_open count = {.op.kind = STORE_COUNT_OPEN, .account = account};
    assert_int_equal(fixture_run(fixture, &count.op), 0);
    assert_int_equal(count.ret_count, 2);
}

static void a_claim_raises_the_epoch(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_QUEUED);
    struct store_claim claim = {
        .op.kind = STORE_CLAIM, .row = row, .worker_id = STR("w1"), .worker_hostname = STR("host")};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    assert_int_equal(claim.ret_execution.epoch, 1);
    assert_int_equal(claim.ret_execution.status, STATUS_RUNNING);
    assert_string_equal(claim.ret_execution.worker_id, "w1");
    int64_t started_ms = claim.ret_execution.started_ms;
    assert_int_equal(started_ms, atomic_load(&fixture->now_ms));
    store_op_release(&claim.op);
    atomic_fetch_add(&fixture->now_ms, 5);
    claim.worker_id = (struct str){0};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    assert_int_equal(claim.ret_execution.epoch, 2);
    assert_string_equal(claim.ret_execution.worker_id, "w1");
    assert_int_equal(claim.ret_execution.started_ms, started_ms);
    store_op_release(&claim.op);
    complete_err(fixture, row, "", -1);
    assert_int_equal(fixture_run(fixture, &claim.op), ERR_SEALED);
    claim.row = 999;
    assert_int_equal(fixture_run(fixture, &claim.op), ERR_NOT_FOUND);
}

static struct store_update asking(int64_t row, enum outcome_cause cause, enum execution_status status)
{
    return (struct store_update){
        .op.kind = STORE_UPDATE, .row = row, .has_outcome = true, .outcome = {.cause = cause, .status = status}};
}

static void claim(struct fixture *fixture, int64_t row)
{
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = row};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    store_op_release(&claim.op);
}

static void an_outcome_that_was_told_before_the_end_of_the_log_stands(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t cancelled = fixture_create(fixture, account, "cancelled", STATUS_QUEUED);
    int64_t silent = fixture_create(fixture, account, "silent", STATUS_QUEUED);
    for (int i = 0; i < 2; i++) {
        claim(fixture, i ? silent : cancelled);
        struct store_update change = asking(i ? silent : cancelled, OUTCOME_TOLD, STATUS_CANCELLED);
        assert_int_equal(fixture_run(fixture, &change.op), 0);
        assert_false(change.ret_execution.sealed);
        store_op_release(&change.op);
    }
    struct store_complete complete = {
        .op.kind = STORE_COMPLETE, .row = cancelled, .status = STATUS_FAILED, .has_exit_code = true, .exit_code = 143};
    assert_int_equal(fixture_run(fixture, &complete.op), 0);
    assert_int_equal(complete.ret_execution.status, STATUS_CANCELLED);
    assert_int_equal(complete.ret_execution.exit_code, 143);
    assert_true(complete.ret_execution.sealed);
    store_op_release(&complete.op);
    struct store_update lost = asking(silent, OUTCOME_GIVEN_UP, STATUS_QUEUED);
    assert_int_equal(fixture_run(fixture, &lost.op), 0);
    assert_int_equal(lost.ret_execution.status, STATUS_CANCELLED);
    assert_true(lost.ret_execution.sealed);
    store_op_release(&lost.op);
}

static void a_job_that_ran_elsewhere_has_the_times_that_are_told(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), now = atomic_load(&fixture->now_ms);
    const struct {
        int64_t started, ended, expected;
    } cases[] = {{1000, 61000, 61000}, {1000, 999, now}, {1000, 0, now}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_create create = {
            .op.kind = STORE_CREATE,
            .execution = {.account = account, .status = STATUS_QUEUED, .started_ms = cases[i].started}};
        assert_int_equal(fixture_run(fixture, &create.op), 0);
        assert_int_equal(create.execution.started_ms, cases[i].started);
        struct store_claim claim = {.op.kind = STORE_CLAIM, .row = create.execution.row};
        assert_int_equal(fixture_run(fixture, &claim.op), 0);
        assert_int_equal(claim.ret_execution.started_ms, cases[i].started);
        struct store_complete end = {.op.kind = STORE_COMPLETE,
                                     .row = create.execution.row,
                                     .status = STATUS_COMPLETED,
                                     .completed_ms = cases[i].ended};
        assert_int_equal(fixture_run(fixture, &end.op), 0);
        assert_int_equal(end.ret_execution.started_ms, cases[i].started);
        assert_int_equal(end.ret_execution.completed_ms, cases[i].expected);
        store_op_release(&end.op);
        store_op_release(&claim.op);
        store_op_release(&create.op);
    }
}

static void only_allowed_status_changes_are_made(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t row = fixture_create(fixture, account, "e", STATUS_QUEUED);
    claim(fixture, row);
    struct store_update change = asking(row, OUTCOME_BACK, STATUS_QUEUED);
    assert_int_equal(fixture_run(fixture, &change.op), ERR_BAD_TRANSITION);
    change = asking(row, OUTCOME_TOLD, STATUS_PAUSED);
    assert_int_equal(fixture_run(fixture, &change.op), 0);
    store_op_release(&change.op);
    change.outcome.status = STATUS_CANCELLED;
    assert_int_equal(fixture_run(fixture, &change.op), 0);
    assert_int_equal(change.ret_execution.completed_ms, atomic_load(&fixture->now_ms));
    assert_false(change.ret_execution.sealed);
    store_op_release(&change.op);
    assert_int_equal(fixture_run(fixture, &change.op), 0); // the same again
    store_op_release(&change.op);
    change.outcome.status = STATUS_RUNNING;
    assert_int_equal(fixture_run(fixture, &change.op), ERR_BAD_TRANSITION);
    struct store_complete end = {
        .op.kind = STORE_COMPLETE, .row = row, .status = STATUS_FAILED, .has_exit_code = true, .exit_code = 143};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    assert_true(end.ret_execution.sealed);
    assert_int_equal(end.ret_execution.exit_code, 143);
    store_op_release(&end.op);
    change = asking(row, OUTCOME_TOLD, STATUS_CANCELLED);
    change.outcome.has_exit_code = true;
    change.outcome.exit_code = 1;
    assert_int_equal(fixture_run(fixture, &change.op), ERR_SEALED);
}

static void a_change_is_made_whole_or_not_at_all(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_QUEUED);
    claim(fixture, row);
    struct store_update good = asking(row, OUTCOME_TOLD, STATUS_FAILED);
    good.outcome.has_exit_code = true;
    good.outcome.exit_code = 2;
    good.metadata_patch = STR("{\"a\":1}");
    good.epoch = 1;
    good.has_pin = good.pin = true;
    static const struct {
        enum execution_status status;
        size_t metadata_max;
        uint64_t epoch;
        int64_t row;
        int err;
    } bad[] = {
        {STATUS_QUEUED, 0, 1, 0, ERR_BAD_TRANSITION},
        {STATUS_FAILED, 6, 1, 0, ERR_TOO_LARGE},
        {STATUS_FAILED, 0, 2, 0, ERR_FENCED},
        {STATUS_FAILED, 0, 1, 4711, ERR_NOT_FOUND},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct store_update change = good;
        change.outcome.status = bad[i].status;
        change.metadata_max = bad[i].metadata_max;
        change.epoch = bad[i].epoch;
        change.row = bad[i].row ? bad[i].row : row;
        assert_int_equal(fixture_run(fixture, &change.op), bad[i].err);
        store_op_release(&change.op);
        struct execution got = fixture_get(fixture, account, "e");
        assert_int_equal(got.status, STATUS_RUNNING);
        assert_null(got.metadata_json);
        assert_false(got.pinned);
        assert_false(got.has_exit_code);
        execution_release(&got);
    }
    assert_int_equal(fixture_run(fixture, &good.op), 0);
    store_op_release(&good.op);
    fixture_reopen(fixture);
    struct execution got = fixture_get(fixture, account, "e");
    assert_int_equal(got.status, STATUS_FAILED);
    assert_int_equal(got.exit_code, 2);
    assert_string_equal(got.metadata_json, "{\"a\":1}");
    assert_true(got.pinned);
    assert_false(got.sealed);
    execution_release(&got);
}

static void a_cancel_and_a_claim_find_what_the_other_one_left(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    for (int claim_first = 0; claim_first < 2; claim_first++) {
        int64_t row = fixture_create(fixture, account, claim_first ? "claimed" : "cancelled", STATUS_QUEUED);
        struct store_update cancel = asking(row, OUTCOME_CANCELLED, STATUS_QUEUED);
        cancel.cancel_reason = STR("enough");
        struct store_claim claim = {.op.kind = STORE_CLAIM, .row = row};
        struct store_op *orders[2][2] = {{&cancel.op, &claim.op}, {&claim.op, &cancel.op}};
        fixture_run_all(fixture, orders[claim_first], 2);
        assert_int_equal(cancel.op.err, 0);
        assert_int_equal(claim.op.err, claim_first ? 0 : ERR_SEALED);
        assert_int_equal(cancel.ret_execution.sealed, !claim_first);
        assert_int_equal(cancel.ret_execution.status, claim_first ? STATUS_RUNNING : STATUS_CANCELLED);
        assert_string_equal(cancel.ret_execution.cancel_reason, "enough");
        store_op_release(&cancel.op);
        store_op_release(&claim.op);
    }
}

static void a_lost_one_that_is_cancelled_is_sealed_and_its_runner_fenced(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_QUEUED);
    claim(fixture, row);
    append(fixture, row, "p", 0, 3);
    struct store_update silent = asking(row, OUTCOME_SILENT, STATUS_QUEUED);
    assert_int_equal(fixture_run(fixture, &silent.op), 0);
    assert_int_equal(silent.ret_execution.status, STATUS_LOST);
    store_op_release(&silent.op);
    struct store_update cancel = asking(row, OUTCOME_CANCELLED, STATUS_QUEUED);
    assert_int_equal(fixture_run(fixture, &cancel.op), 0);
    store_op_release(&cancel.op);
    fixture_reopen(fixture);
    struct execution got = fixture_get(fixture, account, "e");
    assert_int_equal(got.status, STATUS_CANCELLED);
    assert_true(got.sealed);
    assert_int_equal(got.next_sequence, 3);
    assert_int_equal(got.completed_ms, atomic_load(&fixture->now_ms));
    execution_release(&got);
    CLEANUP(chunk_unref) struct chunk *chunk = fixture_chunk(3, 1, 40, 0);
    struct store_append late = {
        .op.kind = STORE_APPEND, .row = row, .producer = STR("p"), .first = 3, .epoch = 1, .chunk = chunk};
    assert_int_equal(fixture_run(fixture, &late.op), ERR_FENCED);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = row, .epoch = 1, .status = STATUS_CANCELLED};
    assert_int_equal(fixture_run(fixture, &end.op), ERR_FENCED);
    struct store_update back = asking(row, OUTCOME_BACK, STATUS_QUEUED);
    back.epoch = 1;
    assert_int_equal(fixture_run(fixture, &back.op), ERR_FENCED);
    struct store_count_open count = {.op.kind = STORE_COUNT_OPEN, .account = account};
    assert_int_equal(fixture_run(fixture, &count.op), 0);
    assert_int_equal(count.ret_count, 0);
}

// --- Numbering

static void records_are_numbered_without_holes(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    struct store_append first = append(fixture, row, "p", 0, 10);
    assert_int_equal(first.op.err, 0);
    assert_int_equal(first.ret_first_sequence, 0);
    assert_int_equal(first.ret_appended, 10);
    assert_int_equal(first.ret_next, 10);
    struct store_append other = append(fixture, row, "q", 0, 5);
    assert_int_equal(other.ret_first_sequence, 10);
    struct store_append anonymous = append(fixture, row, "", 77, 3);
    assert_int_equal(anonymous.ret_first_sequence, 15);
    struct store_append second = append(fixture, row, "p", 10, 4);
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
    append(fixture, row, "p", 0, 10);
    struct store_append overlapping = append(fixture, row, "p", 5, 10);
    assert_int_equal(overlapping.op.err, 0);
    assert_int_equal(overlapping.ret_first_sequence, 10);
    assert_int_equal(overlapping.ret_appended, 5);
    struct store_append repeated = append(fixture, row, "p", 5, 10);
    assert_int_equal(repeated.op.err, 0);
    assert_int_equal(repeated.ret_appended, 0);
    assert_int_equal(repeated.ret_first_sequence, 10);
    assert_int_equal(repeated.ret_next, 15);
    struct store_append tail = append(fixture, row, "p", 12, 3);
    assert_int_equal(tail.ret_first_sequence, 12);
    fixture_reopen(fixture);
    repeated = append(fixture, row, "p", 5, 10);
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
    append(fixture, row, "p", 0, 10);
    append(fixture, row, "q", 0, 5);
    append(fixture, row, "p", 5, 10); // its first half is a repetition
    append(fixture, row, "", 0, 3);
    uint64_t p = digest_of_chunk(0, 15, 0), q = digest_of_chunk(0, 5, 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(producer_of(fixture, row, "p").next, 15);
        assert_int_equal(producer_of(fixture, row, "p").digest, p);
        assert_int_equal(producer_of(fixture, row, "q").digest, q);
        assert_int_equal(producer_of(fixture, row, "new").digest, 0);
        assert_false(producer_of(fixture, row, "p").digest_unknown || producer_of(fixture, row, "new").digest_unknown);
        fixture_reopen(fixture);
    }
    append(fixture, row, "p", 15, 5);
    struct store_complete end = complete(fixture, row, "p", 19);
    assert_int_equal(end.op.err, 0);
    assert_int_equal(end.ret_producer.next, 20);
    assert_int_equal(end.ret_producer.digest, digest_of_chunk(15, 5, p));
    store_op_release(&end.op);
    // Also when it is asked again.
    end = complete(fixture, row, "p", 19);
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
    append(fixture, row, "p", 0, 3);
    struct store_append skip = {.op.kind = STORE_APPEND,
                                .row = row,
                                .producer = STR("p"),
                                .first = 9,
                                .skip_ahead = true,
                                .skip_digest = &said,
                                .chunk = gap};
    assert_int_equal(fixture_run(fixture, &skip.op), 0);
    append(fixture, row, "p", 10, 5);
    fixture_reopen(fixture);
    assert_int_equal(producer_of(fixture, row, "p").digest, digest_of_chunk(10, 5, said));
    // Of who does not say it, nobody knows it any more.
    skip.producer = STR("q");
    skip.skip_digest = NULL;
    assert_int_equal(fixture_run(fixture, &skip.op), 0);
    append(fixture, row, "q", 10, 5);
    assert_true(producer_of(fixture, row, "q").digest_unknown);
    fixture_reopen(fixture);
    assert_true(producer_of(fixture, row, "q").digest_unknown);
}

static void a_gap_and_a_conflict_are_refused(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    append(fixture, row, "p", 0, 10);
    struct store_append gap = append(fixture, row, "p", 11, 1);
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
    struct store_append missing = append(fixture, 4711, "p", 0, 1);
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

// --- The end

static void a_log_is_sealed_when_all_of_it_is_there(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    append(fixture, row, "p", 0, 10);
    struct store_complete early = complete(fixture, row, "p", 11);
    assert_int_equal(early.op.err, ERR_GAP);
    assert_int_equal(early.ret_producer.next, 10);
    assert_int_equal(complete_err(fixture, row, "p", 8), ERR_CONFLICT);
    struct store_complete end = complete(fixture, row, "p", 9);
    assert_int_equal(end.op.err, 0);
    assert_true(end.ret_execution.sealed);
    assert_int_equal(end.ret_execution.next_sequence, 10);
    assert_int_equal(end.ret_execution.status, STATUS_COMPLETED);
    store_op_release(&end.op);
    end = complete(fixture, row, "p", 9);
    assert_int_equal(end.op.err, 0); // the same outcome
    store_op_release(&end.op);
    struct store_complete other = {.op.kind = STORE_COMPLETE, .row = row, .status = STATUS_FAILED};
    assert_int_equal(fixture_run(fixture, &other.op), ERR_SEALED);
    assert_int_equal(other.ret_execution.status, STATUS_COMPLETED);
    store_op_release(&other.op);
    assert_int_equal(append(fixture, row, "p", 10, 1).op.err, ERR_SEALED);
    assert_int_equal(append(fixture, row, "p", 0, 10).op.err, 0); // a repetition
    fixture_reopen(fixture);
    assert_int_equal(append(fixture, row, "p", 10, 1).op.err, ERR_SEALED);
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
    append(fixture, row, "p", 0, 10);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), ERR_CONFLICT);
    complete_err(fixture, row, "p", 9);
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    for (int i = 0; i < 2; i++) {
        struct store_read read = {.op.kind = STORE_READ, .row = row, .max_bytes = 1000};
        assert_int_equal(fixture_run(fixture, &read.op), ERR_EXPIRED);
        assert_int_equal(append(fixture, row, "p", 0, 10).op.err, ERR_EXPIRED);
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

// --- Groups

#define GROUP 200

static void one_failure_harms_no_other_operation(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t good = fixture_create(fixture, account, "good", STATUS_RUNNING);
    int64_t bad = fixture_create(fixture, account, "bad", STATUS_RUNNING);
    complete_err(fixture, bad, "", -1);
    struct store_append *appends = xcalloc(GROUP, sizeof(*appends));
    struct store_op *ops[GROUP];
    for (uint64_t i = 0; i < GROUP; i++) {
        appends[i] = (struct store_append){
            .op.kind = STORE_APPEND,
            .row = i % 3 == 0 ? bad : good,
            .producer = i % 3 == 1 ? STR("p") : (struct str){0},
            .first = i / 3,
            .chunk = fixture_chunk(i / 3, 1, 40, 0),
        };
        ops[i] = &appends[i].op;
    }
    fixture_run_all(fixture, ops, GROUP);
    uint64_t sequence = 0;
    for (uint64_t i = 0; i < GROUP; i++) {
        assert_int_equal(appends[i].op.err, i % 3 == 0 ? ERR_SEALED : 0);
        if (i % 3 != 0)
            assert_int_equal(appends[i].ret_first_sequence, sequence++);
        chunk_unref(&appends[i].chunk);
    }
    assert_int_equal(fixture_read(fixture, good, 0, 1 << 20, NULL, NULL), sequence);
    free(appends);
}

struct watched {
    int64_t row;
    _Atomic uint64_t next;
    _Atomic bool wrong, sealed;
};

static void watch_one(void *arg, const struct store_change *changes, size_t count)
{
    struct watched *watched = arg;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].row != watched->row)
            continue;
        uint64_t records = changes[i].chunk ? chunk_count(changes[i].chunk) : 0;
        if (changes[i].first != atomic_load(&watched->next) || changes[i].next != changes[i].first + records)
            atomic_store(&watched->wrong, true);
        atomic_store(&watched->next, changes[i].next);
        atomic_store(&watched->sealed, changes[i].sealed);
    }
}

static void the_watcher_sees_every_change_in_order_before_the_answers(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    struct watched watched = {.row = row};
    assert_int_equal(store_watch(fixture->store, watch_one, &watched), 0);
    for (uint64_t i = 0; i < 20; i++) {
        struct store_append appended = append(fixture, row, "p", i * 3, 4); // one record repeats
        assert_int_equal(appended.op.err, 0);
        assert_int_equal(atomic_load(&watched.next), appended.ret_next);
    }
    struct store_complete end = complete(fixture, row, "p", 60);
    assert_true(atomic_load(&watched.sealed));
    assert_false(atomic_load(&watched.wrong));
    store_op_release(&end.op);
}

struct belonging {
    int64_t account;
    char batch_id[16], workflow_id[16];
    _Atomic unsigned seen;
    _Atomic bool wrong;
};

static void watch_belonging(void *arg, const struct store_change *changes, size_t count)
{
    struct belonging *it = arg;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].account != it->account || !str_eq(changes[i].batch_id, str_of(it->batch_id)) ||
            !str_eq(changes[i].workflow_id, str_of(it->workflow_id)))
            atomic_store(&it->wrong, true);
        atomic_fetch_add(&it->seen, 1);
    }
}

static void a_change_tells_whose_it_is_and_what_it_belongs_to(void **state)
{
    struct fixture *fixture = *state;
    fixture_account(fixture, "a");
    struct belonging it = {.account = fixture_account(fixture, "b"), .batch_id = "night", .workflow_id = "w7"};
    struct store_create create = {.op.kind = STORE_CREATE,
                                  .execution = {.account = it.account,
                                                .execution_id = xstrdup("e"),
                                                .status = STATUS_QUEUED,
                                                .batch_id = xstrdup(it.batch_id),
                                                .workflow_id = xstrdup(it.workflow_id)}};
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    int64_t row = create.execution.row;
    store_op_release(&create.op);
    fixture_reopen(fixture); // what is kept of it in memory is read again
    assert_int_equal(store_watch(fixture->store, watch_belonging, &it), 0);
    struct store_claim claim = {.op.kind = STORE_CLAIM, .row = row};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    store_op_release(&claim.op);
    assert_int_equal(append(fixture, row, "p", 0, 3).op.err, 0);
    assert_int_equal(complete_err(fixture, row, "p", 2), 0);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = row};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_false(atomic_load(&it.wrong));
    assert_true(atomic_load(&it.seen) >= 4);
    it = (struct belonging){.account = it.account}; // of one that belongs to nothing, the two are empty
    row = fixture_create(fixture, it.account, "alone", STATUS_RUNNING);
    assert_int_equal(append(fixture, row, "p", 0, 3).op.err, 0);
    assert_false(atomic_load(&it.wrong));
    assert_true(atomic_load(&it.seen) >= 1);
}

// --- Queries

static void reads_begin_at_the_covering_chunk_in_both_directions(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    for (uint64_t i = 0; i < 10; i++)
        append(fixture, row, "p", i * 10, 10);
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

static void a_producers_counter_is_told(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = fixture_create(fixture, fixture_account(fixture, "a"), "e", STATUS_RUNNING);
    append(fixture, row, "p", 0, 10);
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

static size_t list_count(struct fixture *fixture, struct store_list list)
{
    list.op.kind = STORE_LIST;
    list.limit = 100;
    assert_int_equal(fixture_run(fixture, &list.op), 0);
    size_t count = list.ret_count;
    store_op_release(&list.op);
    return count;
}

#define LISTED 10

// LISTED executions of the account, oldest first, and one of another account that would fit every filter.
static void make_listed(struct fixture *fixture, int64_t account, int64_t rows[LISTED])
{
    int64_t other = fixture_account(fixture, "b");
    struct store_create others = {
        .op.kind = STORE_CREATE,
        .execution = {.account = other,
                      .status = STATUS_RUNNING,
                      .owner = xstrdup("ada"),
                      .batch_id = xstrdup("b"),
                      .workflow_id = xstrdup("w"),
                      .metadata_json = xstrdup("{\"n\":7,\"even\":true}")},
    };
    assert_int_equal(fixture_run(fixture, &others.op), 0);
    store_op_release(&others.op);
    for (int i = 0; i < LISTED; i++) {
        atomic_fetch_add(&fixture->now_ms, 1000);
        struct store_create create = {
            .op.kind = STORE_CREATE,
            .execution =
                {
                    .account = account,
                    .status = i % 2 ? STATUS_RUNNING : STATUS_QUEUED,
                    .owner = i < 3 ? xstrdup("ada") : NULL,
                    .batch_id = i < 4 ? xstrdup("b") : NULL,
                    .workflow_id = i < 5 ? xstrdup("w") : NULL,
                    .metadata_json = xasprintf("{\"n\":%d,\"even\":%s,\"o\":{}}", i, i % 2 ? "false" : "true"),
                },
        };
        assert_int_equal(fixture_run(fixture, &create.op), 0);
        rows[i] = create.execution.row;
        store_op_release(&create.op);
    }
}

static void lists_are_paged_newest_first(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[LISTED];
    make_listed(fixture, account, rows);
    struct store_list page = {.op.kind = STORE_LIST, .account = account, .limit = 4};
    int next = LISTED - 1;
    do {
        assert_int_equal(fixture_run(fixture, &page.op), 0);
        for (size_t i = 0; i < page.ret_count; i++)
            assert_int_equal(page.ret_executions[i].row, rows[next--]);
        page.before_row = page.ret_next_row;
        store_op_release(&page.op);
    } while (page.before_row != 0);
    assert_int_equal(next, -1);
}

static void lists_are_filtered(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), rows[LISTED];
    make_listed(fixture, account, rows);
    assert_int_equal(list_count(fixture, (struct store_list){.account = account, .owner = STR("ada")}), 3);
    assert_int_equal(list_count(fixture, (struct store_list){.account = account, .batch_ids = {{STR("b")}, 1}}), 4);
    assert_int_equal(list_count(fixture, (struct store_list){.account = account, .workflow_ids = {{STR("w")}, 1}}), 5);
    assert_int_equal(list_count(fixture, (struct store_list){.account = account, .statuses = 1u << STATUS_RUNNING}), 5);
    assert_int_equal(
        list_count(fixture, (struct store_list){.account = account, .since_ms = atomic_load(&fixture->now_ms) - 1000}),
        2);
    struct store_list labelled = {.account = account, .labels = {{STR("n"), STR("7")}}, .label_count = 1};
    assert_int_equal(list_count(fixture, labelled), 1);
    labelled.labels[0] = (struct store_label){STR("even"), STR("true")};
    assert_int_equal(list_count(fixture, labelled), 5);
    labelled.labels[0].value = (struct str){0};
    assert_int_equal(list_count(fixture, labelled), 10);
    assert_int_equal(list_count(fixture, (struct store_list){.account = account,
                                                             .labels = {{STR("n"), STR("7")},
                                                                        {STR("even"), STR("false")},
                                                                        {STR("n"), STR("8")},
                                                                        {STR("n"), STR("9")}},
                                                             .label_count = 4}),
                     2);
    assert_int_equal(list_count(fixture, (struct store_list){.account = account,
                                                             .batch_ids = {{STR("b"), STR("none")}, 2},
                                                             .statuses = 1u << STATUS_RUNNING | 1u << STATUS_LOST}),
                     2);
    complete_err(fixture, rows[1], "", -1);
    assert_int_equal(list_count(fixture, (struct store_list){.unsealed_only = true}), 10);
}

static void executions_are_found_by_the_beginning_of_their_identifiers(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), other = fixture_account(fixture, "b");
    static const char *const ids[] = {"job", "job-1", "job-2", "jobs", "joz", "ZZ"};
    static const struct {
        const char *prefix;
        size_t count;
    } cases[] = {{"job", 4}, {"job-", 2}, {"jobs", 1}, {"jo", 5}, {"Z", 1}, {"z", 0}, {"job-12", 0}, {"%", 0}};
    fixture_create(fixture, other, "job-3", STATUS_RUNNING);
    for (size_t i = 0; i < ARRAY_LEN(ids); i++)
        fixture_create(fixture, account, ids[i], STATUS_RUNNING);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(
            list_count(fixture, (struct store_list){.account = account, .id_prefix = str_of(cases[i].prefix)}),
            cases[i].count);
}

static void metadata_and_pin_are_updated(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    struct store_update update = {.op.kind = STORE_UPDATE, .row = row, .metadata_patch = STR("{\"k\":\"v\"}")};
    assert_int_equal(fixture_run(fixture, &update.op), 0);
    assert_string_equal(update.ret_execution.metadata_json, "{\"k\":\"v\"}");
    assert_false(update.ret_execution.pinned);
    store_op_release(&update.op);
    update = (struct store_update){.op.kind = STORE_UPDATE, .row = row, .has_pin = true, .pin = true};
    assert_int_equal(fixture_run(fixture, &update.op), 0);
    assert_string_equal(update.ret_execution.metadata_json, "{\"k\":\"v\"}");
    assert_true(update.ret_execution.pinned);
    store_op_release(&update.op);
    struct store_list labelled = {.account = account, .labels = {{STR("k"), STR("v")}}, .label_count = 1};
    assert_int_equal(list_count(fixture, labelled), 1);
    update = (struct store_update){.op.kind = STORE_UPDATE, .row = row, .metadata_patch = STR("{\"k\":null}")};
    assert_int_equal(fixture_run(fixture, &update.op), 0);
    assert_string_equal(update.ret_execution.metadata_json, "{}");
    store_op_release(&update.op);
    assert_int_equal(list_count(fixture, labelled), 0);
}

static void patches_of_metadata_are_merged_into_what_is_there(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    static const struct {
        const char *patch, *metadata;
    } cases[] = {
        {"{\"a\":1,\"o\":{\"x\":1,\"y\":[1,2]}}", "{\"a\":1,\"o\":{\"x\":1,\"y\":[1,2]}}"},
        {"{\"b\":\"\\\"q\\u0001\"}", "{\"a\":1,\"o\":{\"x\":1,\"y\":[1,2]},\"b\":\"\\\"q\\u0001\"}"},
        {"{\"a\":null,\"o\":{\"y\":[3],\"z\":{\"n\":null}}}",
         "{\"o\":{\"x\":1,\"y\":[3],\"z\":{}},\"b\":\"\\\"q\\u0001\"}"},
        {"{\"o\":7,\"missing\":null}", "{\"o\":7,\"b\":\"\\\"q\\u0001\"}"},
        {"{\"o\":{\"new\":null,\"k\":1.50}}", "{\"o\":{\"k\":1.5},\"b\":\"\\\"q\\u0001\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct store_update update = {.op.kind = STORE_UPDATE, .row = row, .metadata_patch = str_of(cases[i].patch)};
        assert_int_equal(fixture_run(fixture, &update.op), 0);
        assert_string_equal(update.ret_execution.metadata_json, cases[i].metadata);
        store_op_release(&update.op);
    }
}

static void metadata_that_becomes_too_large_changes_nothing(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    struct store_update update = {
        .op.kind = STORE_UPDATE, .row = row, .metadata_patch = STR("{\"a\":\"12\"}"), .metadata_max = 10};
    assert_int_equal(fixture_run(fixture, &update.op), 0);
    store_op_release(&update.op);
    update = (struct store_update){.op.kind = STORE_UPDATE,
                                   .row = row,
                                   .metadata_patch = STR("{\"b\":1}"),
                                   .metadata_max = 15,
                                   .has_pin = true,
                                   .pin = true};
    assert_int_equal(fixture_run(fixture, &update.op), ERR_TOO_LARGE);
    store_op_release(&update.op);
    struct execution got = fixture_get(fixture, account, "e");
    assert_string_equal(got.metadata_json, "{\"a\":\"12\"}");
    assert_false(got.pinned);
    execution_release(&got);
}

static void what_was_asked_to_cancel_is_known_until_it_has_ended(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t open = fixture_create(fixture, account, "open", STATUS_RUNNING);
    int64_t ended = fixture_create(fixture, account, "ended", STATUS_COMPLETED);
    for (int i = 0; i < 3; i++) {
        struct store_update update = {
            .op.kind = STORE_UPDATE, .row = i == 2 ? ended : open, .cancel_reason = i ? STR("again") : STR("enough")};
        assert_int_equal(fixture_run(fixture, &update.op), 0);
        store_op_release(&update.op);
    }
    fixture_reopen(fixture);
    struct execution got = fixture_get(fixture, account, "open");
    assert_string_equal(got.cancel_reason, "enough");
    execution_release(&got);
    got = fixture_get(fixture, account, "ended");
    assert_null(got.cancel_reason);
    execution_release(&got);
}

static void keys_are_found_by_hash_and_revoked(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    struct store_key_create create = {
        .op.kind = STORE_KEY_CREATE,
        .key = {.account = account,
                .key_id = xstrdup("key_1"),
                .name = xstrdup(""),
                .role = ROLE_SERVICE,
                .created_ms = 5},
    };
    memset(create.key.hash, 9, sizeof(create.key.hash));
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    assert_int_equal(fixture_run(fixture, &create.op), ERR_CONFLICT);
    struct store_key_used used = {.op.kind = STORE_KEY_USED, .row = create.key.row, .used_ms = 77};
    assert_int_equal(fixture_run(fixture, &used.op), 0);
    struct store_key_revoke revoke = {
        .op.kind = STORE_KEY_REVOKE, .account = account, .key_id = STR("key_2"), .role = ROLE_ADMIN};
    assert_int_equal(fixture_run(fixture, &revoke.op), ERR_NOT_FOUND);
    revoke.key_id = STR("key_1");
    revoke.account = fixture_account(fixture, "b");
    assert_int_equal(fixture_run(fixture, &revoke.op), ERR_NOT_FOUND); // another account's
    revoke.account = account;
    assert_int_equal(fixture_run(fixture, &revoke.op), 0);
    assert_int_equal(revoke.ret_row, create.key.row);
    fixture_reopen(fixture);
    struct store_key_find find = {.op.kind = STORE_KEY_FIND};
    assert_int_equal(fixture_run(fixture, &find.op), ERR_NOT_FOUND);
    memset(find.hash, 9, sizeof(find.hash));
    assert_int_equal(fixture_run(fixture, &find.op), 0);
    assert_int_equal(find.ret_key.role, ROLE_SERVICE);
    assert_int_equal(find.ret_key.last_used_ms, 77);
    assert_int_equal(find.ret_key.revoked_ms, atomic_load(&fixture->now_ms));
    assert_string_equal(find.ret_key.key_id, "key_1");
    struct store_key_list list = {.op.kind = STORE_KEY_LIST, .account = account};
    assert_int_equal(fixture_run(fixture, &list.op), 0);
    assert_int_equal(list.ret_count, 1);
    store_op_release(&list.op);
    store_op_release(&find.op);
    store_op_release(&create.op);
}

static void a_backup_is_whole_and_has_another_incarnation(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = fixture_create(fixture, account, "e", STATUS_RUNNING);
    append(fixture, row, "p", 0, 10);
    char *incarnation = xstrdup(store_incarnation(fixture->store));
    CLEANUP(free_ptr) char *path = xasprintf("%s/backup.db", fixture->folder);
    struct store_backup backup = {.op.kind = STORE_BACKUP, .folder = str_of(fixture->folder), .name = STR("backup.db")};
    if (fixture_run(fixture, &backup.op) < 0)
        fail_msg("%s", backup.ret_reason);
    assert_string_equal(backup.ret_path, path);
    store_op_release(&backup.op);
    assert_int_equal(fixture_run(fixture, &backup.op), ERR_CONFLICT);
    assert_non_null(strstr(backup.ret_reason, "exists already"));
    store_op_release(&backup.op);
    append(fixture, row, "p", 10, 10);
    fixture_reopen(fixture);
    assert_string_equal(store_incarnation(fixture->store), incarnation);

    store_free(&fixture->store);
    CLEANUP(free_ptr) char *original = xasprintf("%s/runnel.db", fixture->folder);
    assert_int_equal(rename(path, original), 0);
    assert_int_equal(fixture->adapter->open(fixture->folder, &fixture->now_ms, &fixture->store), 0);
    assert_string_not_equal(store_incarnation(fixture->store), incarnation);
    assert_int_equal(fixture_read(fixture, row, 0, 1 << 20, NULL, NULL), 10);
    free(incarnation);
    incarnation = xstrdup(store_incarnation(fixture->store));
    fixture_reopen(fixture);
    assert_string_equal(store_incarnation(fixture->store), incarnation);
    free(incarnation);
}

// --- The adapters

static int64_t test_clock(void *arg)
{
    return atomic_load((_Atomic int64_t *)arg);
}

static int open_sqlite(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    const struct sqlite_tuning tuning = {.now_ms = test_clock, .now_arg = now_ms};
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    CLEANUP(buf_release) struct buf error = {0};
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 2, .tuning = &tuning}, &error, ret);
}

// Everything is merged as soon as it is there.
static int open_sqlite_merging(const char *folder, _Atomic int64_t *now_ms, struct store **ret)
{
    const struct sqlite_tuning tuning = {
        .now_ms = test_clock, .now_arg = now_ms, .hot_pieces = 1, .merge_after_ms = 1, .page_size = 8192};
    CLEANUP(free_ptr) char *path = xasprintf("%s/runnel.db", folder);
    CLEANUP(buf_release) struct buf error = {0};
    return sqlite_store_open(&(struct sqlite_options){.path = path, .readers = 2, .tuning = &tuning}, &error, ret);
}

static const struct fixture_adapter adapters[] = {
    {"sqlite", open_sqlite},
    {"sqlite, merging always", open_sqlite_merging},
};

static const struct fixture_adapter *adapter_under_test;

static int set_up(void **state)
{
    *state = fixture_new(adapter_under_test);
    return 0;
}

static int tear_down(void **state)
{
    fixture_free((struct fixture **)state);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(an_account_is_made_once),
        TEST(an_execution_is_given_back_as_it_was_created),
        TEST(an_execution_id_is_taken_once_per_account),
        TEST(an_idempotency_key_holds_for_a_day),
        TEST(open_executions_are_bounded),
        TEST(a_claim_raises_the_epoch),
        TEST(an_outcome_that_was_told_before_the_end_of_the_log_stands),
        TEST(a_job_that_ran_elsewhere_has_the_times_that_are_told),
        TEST(only_allowed_status_changes_are_made),
        TEST(a_change_is_made_whole_or_not_at_all),
        TEST(a_cancel_and_a_claim_find_what_the_other_one_left),
        TEST(a_lost_one_that_is_cancelled_is_sealed_and_its_runner_fenced),
        TEST(records_are_numbered_without_holes),
        TEST(what_was_repeated_is_cut_off),
        TEST(a_producers_digest_is_that_of_its_own_records),
        TEST(after_a_stated_gap_a_producers_digest_goes_on_from_what_it_says),
        TEST(a_gap_and_a_conflict_are_refused),
        TEST(a_stale_runner_is_fenced),
        TEST(a_log_is_sealed_when_all_of_it_is_there),
        TEST(a_wrong_digest_is_refused),
        TEST(a_purged_execution_is_gone_and_its_id_taken),
        TEST(one_failure_harms_no_other_operation),
        TEST(the_watcher_sees_every_change_in_order_before_the_answers),
        TEST(a_change_tells_whose_it_is_and_what_it_belongs_to),
        TEST(reads_begin_at_the_covering_chunk_in_both_directions),
        TEST(a_producers_counter_is_told),
        TEST(lists_are_paged_newest_first),
        TEST(lists_are_filtered),
        TEST(executions_are_found_by_the_beginning_of_their_identifiers),
        TEST(metadata_and_pin_are_updated),
        TEST(patches_of_metadata_are_merged_into_what_is_there),
        TEST(metadata_that_becomes_too_large_changes_nothing),
        TEST(what_was_asked_to_cancel_is_known_until_it_has_ended),
        TEST(keys_are_found_by_hash_and_revoked),
        TEST(a_backup_is_whole_and_has_another_incarnation),
    };
    int failed = 0;
    for (size_t i = 0; i < ARRAY_LEN(adapters); i++) {
        adapter_under_test = &adapters[i];
        failed += cmocka_run_group_tests_name(adapters[i].name, tests, NULL, NULL);
    }
    return failed;
}
