// Executions, their status and their metadata, as every adapter of the store's port keeps them.
#include "store/store_fixture.h"

// --- Making

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
    assert_int_equal(fixture_complete_err(fixture, first, "", -1), 0);
    assert_int_equal(fixture_run(fixture, &create.op), 0);
    store_op_release(&create.op);
    struct store_count_open count = {.op.kind = STORE_COUNT_OPEN, .account = account};
    assert_int_equal(fixture_run(fixture, &count.op), 0);
    assert_int_equal(count.ret_count, 2);
}

// --- Status

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
    fixture_complete_err(fixture, row, "", -1);
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
    fixture_append_lines(fixture, row, "p", 0, 3);
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

static void what_was_asked_to_cancel_is_known_until_the_log_is_sealed(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t open = fixture_create(fixture, account, "open", STATUS_RUNNING);
    int64_t sealed = fixture_create(fixture, account, "sealed", STATUS_RUNNING);
    struct store_complete end = {.op.kind = STORE_COMPLETE, .row = sealed, .status = STATUS_COMPLETED};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    store_op_release(&end.op);
    for (int i = 0; i < 3; i++) {
        struct store_update update = {
            .op.kind = STORE_UPDATE, .row = i == 2 ? sealed : open, .cancel_reason = i ? STR("again") : STR("enough")};
        assert_int_equal(fixture_run(fixture, &update.op), 0);
        store_op_release(&update.op);
    }
    fixture_reopen(fixture);
    struct execution got = fixture_get(fixture, account, "open");
    assert_string_equal(got.cancel_reason, "enough");
    execution_release(&got);
    got = fixture_get(fixture, account, "sealed");
    assert_null(got.cancel_reason);
    execution_release(&got);
}

// --- Metadata

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
    assert_int_equal(fixture_list_count(fixture, labelled), 1);
    update = (struct store_update){.op.kind = STORE_UPDATE, .row = row, .metadata_patch = STR("{\"k\":null}")};
    assert_int_equal(fixture_run(fixture, &update.op), 0);
    assert_string_equal(update.ret_execution.metadata_json, "{}");
    store_op_release(&update.op);
    assert_int_equal(fixture_list_count(fixture, labelled), 0);
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(an_account_is_made_once),
        ON_EACH(an_execution_is_given_back_as_it_was_created),
        ON_EACH(an_execution_id_is_taken_once_per_account),
        ON_EACH(an_idempotency_key_holds_for_a_day),
        ON_EACH(open_executions_are_bounded),
        ON_EACH(a_claim_raises_the_epoch),
        ON_EACH(an_outcome_that_was_told_before_the_end_of_the_log_stands),
        ON_EACH(a_job_that_ran_elsewhere_has_the_times_that_are_told),
        ON_EACH(only_allowed_status_changes_are_made),
        ON_EACH(a_change_is_made_whole_or_not_at_all),
        ON_EACH(a_cancel_and_a_claim_find_what_the_other_one_left),
        ON_EACH(a_lost_one_that_is_cancelled_is_sealed_and_its_runner_fenced),
        ON_EACH(metadata_and_pin_are_updated),
        ON_EACH(patches_of_metadata_are_merged_into_what_is_there),
        ON_EACH(metadata_that_becomes_too_large_changes_nothing),
        ON_EACH(what_was_asked_to_cancel_is_known_until_the_log_is_sealed),
    };
    return FIXTURE_EACH(tests);
}
