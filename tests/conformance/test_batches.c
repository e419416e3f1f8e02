// Batches on every engine: what they count, when they stop, how many of them run, and the queue under random changes.
#include "store/queue_fixture.h"
#include "store/sql_fixture.h"

static struct sql_fixture *engine_under_test;

static const struct queue_job plain = {0};

static void add(struct queue *queue, int64_t batch, uint32_t count, const struct queue_job *job, int64_t *ret_rows)
{
    for (uint32_t i = 0; i < count; i++)
        assert_int_equal(queue_add(queue, batch, i, job, &ret_rows[i]), 0);
}

static void run(struct queue *queue, int64_t row, enum execution_status end)
{
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_finish(queue, row, end, end == STATUS_COMPLETED ? 0 : 1), 0);
}

static size_t ready(struct queue *queue, int64_t rows[static 64])
{
    return queue_line(queue, "process", rows, 64);
}

// --- Invariants, by a count of everything

static const char *const columns[STATUS_COUNT] = {
    [STATUS_QUEUED] = "queued",       [STATUS_RUNNING] = "running",     [STATUS_WAITING] = "waiting",
    [STATUS_PAUSED] = "paused",       [STATUS_COMPLETED] = "completed", [STATUS_FAILED] = "failed",
    [STATUS_CANCELLED] = "cancelled", [STATUS_TIMED_OUT] = "timed_out", [STATUS_SKIPPED] = "skipped",
    [STATUS_LOST] = "lost",
};

static int64_t number(struct queue *queue, const char *format, int64_t of, const char *word)
{
    CLEANUP(buf_release) struct buf sql = {0};
    for (const char *at = format; *at; at++) {
        if (*at == '#')
            buf_append_i64(&sql, of);
        else if (*at == '@')
            buf_append_text(&sql, word);
        else
            buf_append_byte(&sql, *at);
    }
    return queue_ask_number(queue, buf_cstr(&sql));
}

static void assert_counts_are_right(struct queue *queue, int64_t row)
{
    CLEANUP(batch_release) struct batch batch = queue_batch_get(queue, row);
    for (unsigned i = 0; i < STATUS_COUNT; i++)
        assert_int_equal(batch.counts.of[i],
                         number(queue,
                                "SELECT count(*) FROM jobs j JOIN executions e ON e.id = j.execution WHERE j.batch = # "
                                "AND j.superseded_by = 0 AND e.status = '@'",
                                row, columns[i]));
    assert_int_equal(
        batch.counts.running_started_sum,
        number(
            queue,
            "SELECT CAST(coalesce(sum(e.started_ms), 0) AS BIGINT) FROM jobs j JOIN executions e ON e.id = j.execution "
            "WHERE j.batch = # AND j.superseded_by = 0 AND e.status IN ('running', 'waiting', 'paused')",
            row, ""));
    assert_int_equal(number(queue, "SELECT active FROM batches WHERE id = #", row, ""),
                     number(queue, "SELECT count(*) FROM jobs WHERE batch = # AND state IN (2, 3)", row, ""));
}

static void assert_one_attempt_counts(struct queue *queue)
{
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM (SELECT root FROM jobs WHERE superseded_by = 0 "
                                             "GROUP BY root HAVING count(*) > 1) AS twice"),
                     0);
    // Queued in the queue and queued to a client are the same.
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs j JOIN executions e ON e.id = j.execution "
                                             "WHERE (j.state < 3) <> (e.status = 'queued')"),
                     0);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs j JOIN executions e ON e.id = j.execution "
                                             "WHERE j.state = 3 AND e.status NOT IN ('running', 'waiting', 'paused')"),
                     0);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs j WHERE waits_for <> "
                                             "(SELECT count(*) FROM dependencies d WHERE d.child = j.execution)"),
                     0);
}

// After all was settled: what is held has a reason.
static void assert_none_is_forgotten(struct queue *queue)
{
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM endings"), 0);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs WHERE state = 5"), 0);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs j LEFT JOIN batches b ON b.id = j.batch "
                                             "WHERE j.state = 0 AND j.waits_for = 0 AND "
                                             "(b.id IS NULL OR b.parallel = 0 OR b.active < b.parallel)"),
                     0);
    // What is waited for is not over.
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM dependencies d WHERE d.kind = 0 AND NOT EXISTS "
                                             "(SELECT 1 FROM jobs j WHERE j.root = d.parent AND j.state < 6)"),
                     0);
    assert_int_equal(
        queue_ask_number(queue, "SELECT count(*) FROM dependencies d JOIN batches b ON b.id = d.parent AND d.kind = 1 "
                                "WHERE b.open = 0 AND NOT EXISTS "
                                "(SELECT 1 FROM jobs j WHERE j.batch = b.id AND j.state < 6)"),
        0);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs j JOIN batches b ON b.id = j.batch "
                                             "WHERE j.state < 3 AND (b.stopped = 1 OR b.cancelled = 1)"),
                     0);
}

// --- One after the other

static void a_batch_is_given_back_as_it_was_made(void **state)
{
    struct queue *queue = *state;
    const struct batch made = {
        .batch_id = "b1",
        .owner = "ada",
        .name = "nightly",
        .metadata_json = "{\"k\":1}",
        .limits = {.parallel = 3, .has_max_fails = true, .max_fails = 10, .max_fails_is_percent = true},
        .expected = 2,
        .rate_micros = 860000,
    };
    struct store_batch_create create = {.op.kind = STORE_BATCH_CREATE, .batch = made};
    create.batch.account = queue->account;
    create.batch.batch_id = xstrdup("b1");
    create.batch.owner = xstrdup("ada");
    create.batch.name = xstrdup("nightly");
    create.batch.metadata_json = xstrdup("{\"k\":1}");
    assert_int_equal(sql_begin(queue->sql, SQL_WRITE), 0);
    assert_int_equal(catalogue_batch_create(queue->sql, &create, queue->now_ms), 0);
    assert_int_equal(sql_commit(queue->sql), 0);
    CLEANUP(batch_release) struct batch got = queue_batch_get(queue, create.batch.row);
    assert_string_equal(got.batch_id, "b1");
    assert_string_equal(got.owner, "ada");
    assert_string_equal(got.name, "nightly");
    assert_string_equal(got.metadata_json, "{\"k\":1}");
    assert_memory_equal(&got.limits, &made.limits, sizeof(made.limits));
    assert_int_equal(got.created_ms, queue->now_ms);
    assert_int_equal(got.rate_micros, 860000);
    assert_true(got.open);
    assert_int_equal(batch_total(&got.counts), 0);
    store_op_release(&create.op);
}

static int create_by_key(struct queue *queue, const char *key, uint64_t hash, struct store_batch_create *ret)
{
    *ret = (struct store_batch_create){.op.kind = STORE_BATCH_CREATE,
                                       .batch = {.account = queue->account},
                                       .idempotency_key = str_of(key),
                                       .request_hash = hash};
    assert_int_equal(sql_begin(queue->sql, SQL_WRITE), 0);
    int err = catalogue_batch_create(queue->sql, ret, queue->now_ms);
    assert_int_equal(err < 0 ? sql_rollback(queue->sql) : sql_commit(queue->sql), 0);
    store_op_release(&ret->op);
    return err;
}

static void a_key_makes_one_batch_within_a_day(void **state)
{
    struct queue *queue = *state;
    struct store_batch_create create;
    assert_int_equal(create_by_key(queue, "k", 1, &create), 0);
    assert_false(create.ret_existed);
    assert_int_equal(create_by_key(queue, "k", 1, &create), 0);
    assert_true(create.ret_existed);
    assert_int_equal(create_by_key(queue, "k", 2, &create), ERR_IDEMPOTENCY);
    queue->now_ms += 24 * 3600 * 1000LL + 1;
    assert_int_equal(create_by_key(queue, "k", 2, &create), 0);
    assert_false(create.ret_existed);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM batches"), 2);
}

static int create_by_name(struct queue *queue, const char *owner, uint64_t hash, struct store_batch_create *ret)
{
    *ret = (struct store_batch_create){
        .op.kind = STORE_BATCH_CREATE, .batch = {.account = queue->account, .expected = 2}, .request_hash = hash};
    ret->batch.batch_id = xstrdup("b");
    ret->batch.owner = owner ? xstrdup(owner) : NULL;
    assert_int_equal(sql_begin(queue->sql, SQL_WRITE), 0);
    int err = catalogue_batch_create(queue->sql, ret, queue->now_ms);
    assert_int_equal(err < 0 ? sql_rollback(queue->sql) : sql_commit(queue->sql), 0);
    return err;
}

static void the_same_request_goes_on_with_a_batch_of_its_name_that_is_not_whole(void **state)
{
    struct queue *queue = *state;
    struct store_batch_create create;
    assert_int_equal(create_by_name(queue, NULL, 1, &create), 0);
    int64_t batch = create.batch.row;
    assert_false(create.ret_existed);
    store_op_release(&create.op);
    assert_int_equal(queue_add(queue, batch, 0, &plain, NULL), 0);
    assert_int_equal(create_by_name(queue, NULL, 1, &create), 0);
    assert_true(create.ret_existed);
    assert_int_equal(create.batch.row, batch);
    store_op_release(&create.op);
    assert_int_equal(create_by_name(queue, NULL, 2, &create), ERR_CONFLICT); // another request
    store_op_release(&create.op);
    assert_int_equal(create_by_name(queue, "key_1", 1, &create), ERR_CONFLICT); // somebody else's
    store_op_release(&create.op);
    assert_int_equal(queue_add(queue, batch, 1, &plain, NULL), 0);
    assert_int_equal(create_by_name(queue, NULL, 1, &create), ERR_CONFLICT); // it is whole
    store_op_release(&create.op);
}

static void a_batch_takes_as_many_as_it_was_announced_with_and_each_once(void **state)
{
    struct queue *queue = *state;
    int64_t batch = queue_batch(queue, &(struct batch){.expected = 2}), first, again;
    assert_int_equal(queue_add(queue, batch, 7, &plain, &first), 0);
    assert_int_equal(queue_add(queue, batch, 7, &plain, &again), 0);
    assert_int_equal(again, first);
    assert_int_equal(queue_add(queue, batch, 8, &plain, NULL), 0);
    assert_int_equal(queue_add(queue, batch, 9, &plain, NULL), ERR_CONFLICT);
    assert_int_equal(queue_add(queue, batch, 8, &plain, &again), 0); // told once more, as the answer was lost
    CLEANUP(batch_release) struct batch got = queue_batch_get(queue, batch);
    assert_false(got.open);
    assert_int_equal(batch_total(&got.counts), 2);
    assert_int_equal(queue_add(queue, batch + 1, 0, &plain, NULL), ERR_NOT_FOUND);
}

static void more_than_a_batch_may_have_is_refused(void **state)
{
    struct queue *queue = *state;
    struct store_batch_create create = {.op.kind = STORE_BATCH_CREATE,
                                        .batch = {.account = queue->account, .expected = BATCH_JOBS_MAX + 1}};
    assert_int_equal(catalogue_batch_create(queue->sql, &create, queue->now_ms), ERR_TOO_LARGE);
    int64_t batch = queue_batch(queue, &(struct batch){.open = true});
    assert_int_equal(sql_exec(queue->sql, "UPDATE batches SET completed = 100000"), 0);
    assert_int_equal(queue_add(queue, batch, 0, &plain, NULL), ERR_TOO_LARGE);
}

static void never_more_than_parallel_are_ready_or_claimed(void **state)
{
    struct queue *queue = *state;
    int64_t batch = queue_batch(queue, &(struct batch){.expected = 6, .limits.parallel = 2}), rows[6], line[64];
    add(queue, batch, 6, &plain, rows);
    static const enum execution_status ends[] = {STATUS_COMPLETED, STATUS_FAILED, STATUS_CANCELLED};
    for (size_t i = 0; i < 6; i++) {
        assert_int_equal(ready(queue, line), i == 5 ? 1 : 2);
        assert_int_equal(line[0], rows[i]); // in the order of their numbers
        if (i == 3)
            assert_int_equal(queue_cancel(queue, rows[3]), 0);
        else
            run(queue, rows[i], ends[i % 3]);
        assert_counts_are_right(queue, batch);
        queue_settle(queue);
        assert_counts_are_right(queue, batch);
    }
    assert_none_is_forgotten(queue);
}

static void a_lost_job_gives_its_place_up(void **state)
{
    struct queue *queue = *state;
    int64_t batch = queue_batch(queue, &(struct batch){.expected = 2, .limits.parallel = 1}), rows[2], line[64];
    add(queue, batch, 2, &plain, rows);
    assert_int_equal(queue_claim(queue, rows[0]), 0);
    assert_int_equal(queue_ask(queue, rows[0], &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
    queue_settle(queue);
    assert_int_equal(ready(queue, line), 1);
    assert_int_equal(line[0], rows[1]);
}

static enum batch_status stands(struct queue *queue, int64_t batch)
{
    CLEANUP(batch_release) struct batch got = queue_batch_get(queue, batch);
    return batch_stands(&got);
}

static void a_batch_is_over_when_its_lost_job_is_back_or_sealed(void **state)
{
    struct queue *queue = *state;
    static const enum outcome_cause ends[] = {OUTCOME_ENDED, OUTCOME_GIVEN_UP};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        int64_t batch = queue_batch(queue, &(struct batch){.expected = 1}), row;
        add(queue, batch, 1, &plain, &row);
        assert_int_equal(queue_claim(queue, row), 0);
        assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
        assert_int_equal(stands(queue, batch), BATCH_RUNNING);
        queue_settle(queue);
        assert_int_equal(stands(queue, batch), BATCH_RUNNING);
        assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = ends[i], .status = STATUS_COMPLETED}), 0);
        queue_settle(queue);
        assert_int_equal(stands(queue, batch), BATCH_COMPLETED);
    }
}

static void a_cancel_ends_what_is_lost_before_and_after_it(void **state)
{
    struct queue *queue = *state;
    for (int after = 0; after <= 1; after++) {
        int64_t batch = queue_batch(queue, &(struct batch){.expected = 1}), row;
        struct store_batch_change cancel = {.row = batch, .cancel = true};
        add(queue, batch, 1, &plain, &row);
        assert_int_equal(queue_claim(queue, row), 0);
        if (after)
            assert_int_equal(queue_change(queue, &cancel), 0);
        assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
        queue_settle(queue);
        if (!after)
            assert_int_equal(queue_change(queue, &cancel), 0);
        queue_settle(queue);
        store_op_release(&cancel.op);
        assert_int_equal(stands(queue, batch), BATCH_CANCELLED);
        CLEANUP(execution_release) struct execution execution = queue_get(queue, row);
        assert_int_equal(execution.status, STATUS_CANCELLED);
    }
}

static void a_lost_job_that_is_given_back_waits_for_a_place(void **state)
{
    struct queue *queue = *state;
    int64_t batch = queue_batch(queue, &(struct batch){.expected = 2, .limits.parallel = 1}), rows[2], line[64];
    add(queue, batch, 2, &plain, rows);
    for (int settled = 0; settled <= 1; settled++) {
        assert_int_equal(queue_claim(queue, rows[0]), 0);
        assert_int_equal(queue_ask(queue, rows[0], &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
        if (settled)
            queue_settle(queue); // which gives its place to the other
        assert_int_equal(queue_return(queue, rows[0]), 0);
        assert_int_equal(queue_state(queue, rows[0]), settled ? JOB_HELD : JOB_READY);
        assert_counts_are_right(queue, batch);
    }
    assert_int_equal(ready(queue, line), 1);
    assert_int_equal(line[0], rows[1]);
    run(queue, rows[1], STATUS_COMPLETED);
    queue_settle(queue);
    assert_int_equal(ready(queue, line), 1);
    assert_int_equal(line[0], rows[0]);
    assert_none_is_forgotten(queue);
}

static void a_lost_job_without_a_batch_that_is_given_back_is_ready(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &plain), line[64];
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
    queue_settle(queue);
    assert_int_equal(queue_state(queue, row), JOB_LOST);
    assert_int_equal(queue_return(queue, row), 0);
    assert_int_equal(ready(queue, line), 1);
    assert_int_equal(line[0], row);
}

static void after_too_many_failures_nothing_starts_any_more(void **state)
{
    struct queue *queue = *state;
    const struct batch_limits limits = {.has_max_fails = true, .max_fails = 1};
    int64_t batch = queue_batch(queue, &(struct batch){.expected = 6, .limits = limits}), rows[6];
    add(queue, batch, 6, &plain, rows);
    run(queue, rows[0], STATUS_FAILED);
    queue_settle(queue);
    assert_int_equal(queue_claim(queue, rows[1]), 0);
    run(queue, rows[2], STATUS_TIMED_OUT);
    assert_int_equal(queue_claim(queue, rows[3]), ERR_CONFLICT); // before anything was settled
    queue_settle(queue);
    for (int i = 3; i < 6; i++) {
        CLEANUP(execution_release) struct execution execution = queue_get(queue, rows[i]);
        assert_int_equal(execution.status, STATUS_SKIPPED);
        assert_string_equal(execution.job.reason, "its batch was stopped, as too many of its jobs failed");
    }
    assert_int_equal(queue_finish(queue, rows[1], STATUS_COMPLETED, 0), 0); // what runs, runs on
    queue_settle(queue);
    CLEANUP(batch_release) struct batch got = queue_batch_get(queue, batch);
    assert_true(got.stopped);
    assert_int_equal(got.counts.of[STATUS_SKIPPED], 3);
    assert_int_equal(batch_stands(&got), BATCH_COMPLETED);
    assert_counts_are_right(queue, batch);
}

// Only what is known not to come back has failed.
static void a_lost_job_stops_the_batch_when_it_is_sealed_and_not_before(void **state)
{
    struct queue *queue = *state;
    const struct batch_limits limits = {.has_max_fails = true};
    static const enum outcome_cause ends[] = {OUTCOME_ENDED, OUTCOME_GIVEN_UP};
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        int64_t batch = queue_batch(queue, &(struct batch){.expected = 3, .limits = limits}), rows[3];
        add(queue, batch, 3, &plain, rows);
        assert_int_equal(queue_claim(queue, rows[0]), 0);
        assert_int_equal(queue_ask(queue, rows[0], &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
        assert_int_equal(queue_claim(queue, rows[1]), ERR_CONFLICT); // it may be tried again
        queue_settle(queue);
        assert_int_equal(queue_claim(queue, rows[1]), 0);
        assert_int_equal(queue_finish(queue, rows[1], STATUS_COMPLETED, 0), 0);
        queue_settle(queue);
        assert_int_equal(queue_ask(queue, rows[0], &(struct outcome_ask){.cause = ends[i], .status = STATUS_COMPLETED}),
                         0);
        queue_settle(queue);
        CLEANUP(batch_release) struct batch got = queue_batch_get(queue, batch);
        assert_int_equal(got.stopped, ends[i] == OUTCOME_GIVEN_UP);
        assert_int_equal(queue_claim(queue, rows[2]), got.stopped ? ERR_CONFLICT : 0);
        assert_counts_are_right(queue, batch);
    }
}

static void a_failure_that_is_tried_again_does_not_stop_the_batch(void **state)
{
    struct queue *queue = *state;
    const struct batch_limits limits = {.has_max_fails = true};
    int64_t batch = queue_batch(queue, &(struct batch){.expected = 2, .limits = limits}), rows[2], line[64];
    add(queue, batch, 2, &(struct queue_job){.retries = 1}, rows);
    run(queue, rows[0], STATUS_FAILED);
    assert_int_equal(queue_claim(queue, rows[1]), ERR_CONFLICT); // for now
    queue_settle(queue);
    assert_int_equal(ready(queue, line), 2);
    CLEANUP(batch_release) struct batch got = queue_batch_get(queue, batch);
    assert_false(got.stopped);
    assert_int_equal(batch_failed(&got.counts), 0);
    assert_counts_are_right(queue, batch);
}

static void a_cancelled_batch_ends_what_waits_and_names_what_runs(void **state)
{
    struct queue *queue = *state;
    enum { ALL = BATCH_SLICE + 20 };
    int64_t batch = queue_batch(queue, &(struct batch){.open = true}), rows[ALL];
    add(queue, batch, ALL, &(struct queue_job){.retries = 2}, rows);
    assert_int_equal(queue_claim(queue, rows[3]), 0);
    assert_int_equal(queue_claim(queue, rows[9]), 0);
    struct store_batch_change cancel = {.row = batch, .cancel = true, .reason = STR("enough")};
    assert_int_equal(queue_change(queue, &cancel), 0);
    assert_true(cancel.ret_more);
    assert_int_equal(cancel.ret_changed, BATCH_SLICE);
    store_op_release(&cancel.op);
    assert_int_equal(queue_claim(queue, rows[ALL - 1]), ERR_CONFLICT);
    assert_int_equal(queue_add(queue, batch, ALL, &plain, NULL), ERR_CONFLICT);
    assert_int_equal(queue_change(queue, &cancel), 0);
    assert_false(cancel.ret_more);
    assert_int_equal(cancel.ret_running_count, 2);
    assert_int_equal(cancel.ret_running[0], rows[3]);
    assert_int_equal(cancel.ret_running[1], rows[9]);
    store_op_release(&cancel.op);
    CLEANUP(execution_release) struct execution running = queue_get(queue, rows[9]);
    assert_string_equal(running.cancel_reason, "enough");
    assert_int_equal(queue_finish(queue, rows[3], STATUS_FAILED, 143), 0);
    assert_int_equal(queue_return(queue, rows[9]), 0); // never begun: it ends here
    queue_settle(queue);
    CLEANUP(batch_release) struct batch got = queue_batch_get(queue, batch);
    assert_int_equal(batch_stands(&got), BATCH_CANCELLED);
    assert_int_equal(got.counts.of[STATUS_CANCELLED], ALL - 1);
    assert_int_equal(batch_total(&got.counts), ALL);
    assert_none_is_forgotten(queue);
}

static void a_cancel_that_nobody_goes_on_with_is_settled(void **state)
{
    struct queue *queue = *state;
    enum { ALL = BATCH_SLICE + 20 };
    int64_t batch = queue_batch(queue, &(struct batch){.expected = ALL}), rows[ALL];
    add(queue, batch, ALL, &plain, rows);
    struct store_batch_change cancel = {.row = batch, .cancel = true};
    assert_int_equal(queue_change(queue, &cancel), 0);
    store_op_release(&cancel.op);
    queue_settle(queue);
    assert_int_equal(queue_status(queue, rows[ALL - 1]), STATUS_CANCELLED);
    assert_none_is_forgotten(queue);
}

static void what_failed_is_queued_again_and_only_that(void **state)
{
    struct queue *queue = *state;
    const struct batch_limits limits = {.has_max_fails = true, .max_fails = 2};
    int64_t batch = queue_batch(queue, &(struct batch){.expected = 6, .limits = limits}), rows[6], line[64];
    add(queue, batch, 6, &plain, rows);
    static const enum execution_status ends[] = {STATUS_COMPLETED, STATUS_FAILED, STATUS_TIMED_OUT, STATUS_CANCELLED};
    for (int i = 0; i < 4; i++)
        run(queue, rows[i], ends[i]);
    queue_settle(queue);
    struct store_batch_failures failures = {.row = batch};
    struct batch_failure failed[8];
    size_t count;
    assert_int_equal(catalogue_batch_failures(queue->sql, &failures, 8, failed, &count), 0);
    assert_int_equal(count, 3);
    assert_int_equal(failed[0].row, rows[3]); // the latest
    assert_int_equal(catalogue_batch_failures(queue->sql, &failures, 2, failed, &count), 0);
    failures.before_ms = failed[1].failed_ms;
    failures.before_row = failed[1].row;
    assert_int_equal(catalogue_batch_failures(queue->sql, &failures, 2, failed, &count), 0);
    assert_int_equal(count, 1);
    assert_int_equal(failed[0].row, rows[1]);
    assert_int_equal(queue_status(queue, rows[5]), STATUS_SKIPPED);
    queue->now_ms += 1000;
    struct store_batch_change retry = {.row = batch, .retry = true};
    assert_int_equal(queue_change(queue, &retry), 0);
    assert_int_equal(retry.ret_changed, 3);
    assert_false(retry.ret_more);
    store_op_release(&retry.op);
    queue_settle(queue);
    assert_int_equal(ready(queue, line), 3);
    for (int i = 0; i < 3; i++) {
        CLEANUP(execution_release) struct execution execution = queue_get(queue, line[i]);
        assert_int_equal(execution.job.attempt, 2);
        assert_int_equal(execution.job.batch_index, i + 1);
    }
    CLEANUP(batch_release) struct batch got = queue_batch_get(queue, batch);
    assert_false(got.stopped);
    assert_int_equal(got.counts.of[STATUS_QUEUED], 3);
    assert_int_equal(got.counts.of[STATUS_SKIPPED], 2);
    assert_counts_are_right(queue, batch);
}

static void assert_cells(struct queue *queue, struct store_batch_cells cells, const char *states, bool more)
{
    static const char letters[] = "qrwpcfxtsl.";
    cells.with_ids = true;
    queue_batch_cells(queue, &cells);
    assert_int_equal(cells.ret_count, strlen(states));
    for (size_t i = 0; i < cells.ret_count; i++) {
        assert_int_equal(letters[cells.ret_states[i]], states[i]);
        assert_int_equal(cells.ret_ids[i] != NULL, states[i] != '.');
    }
    assert_int_equal(cells.ret_more, more);
    store_op_release(&cells.op);
}

static void each_job_has_a_cell_with_the_state_of_its_newest_attempt(void **state)
{
    struct queue *queue = *state;
    int64_t rows[6], again;
    int64_t batch = queue_batch(queue, &(struct batch){.open = true}), other = queue_batch(queue, &(struct batch){0});
    add(queue, batch, 6, &plain, rows);
    assert_cells(queue, (struct store_batch_cells){.row = batch}, "qqqqqq", false);
    assert_cells(queue, (struct store_batch_cells){.row = other}, "", false);
    run(queue, rows[0], STATUS_COMPLETED);
    run(queue, rows[1], STATUS_FAILED);
    run(queue, rows[2], STATUS_FAILED);
    assert_int_equal(queue_claim(queue, rows[3]), 0);
    assert_int_equal(queue_cancel(queue, rows[5]), 0);
    queue_settle(queue);
    assert_int_equal(queue_retry(queue, rows[2], &again), 0);
    assert_cells(queue, (struct store_batch_cells){.row = batch}, "cfqrqx", false);
    assert_cells(queue, (struct store_batch_cells){.row = batch, .from = 1, .limit = 3}, "fqr", true);
    assert_cells(queue, (struct store_batch_cells){.row = batch, .from = 3, .limit = 3}, "rqx", false);
    assert_cells(queue, (struct store_batch_cells){.row = batch, .from = 9}, "", false);
    assert_int_equal(queue_purge(queue, rows[0]), 0);
    assert_int_equal(queue_purge(queue, rows[1]), 0);
    assert_cells(queue, (struct store_batch_cells){.row = batch}, "..qrqx", false);
    assert_cells(queue, (struct store_batch_cells){.row = batch, .limit = 2}, "", true);
}

static void durations_and_cost_are_of_every_attempt(void **state)
{
    struct queue *queue = *state;
    int64_t batch = queue_batch(queue, &(struct batch){.expected = 1}), row;
    assert_int_equal(queue_add(queue, batch, 0, &(struct queue_job){.retries = 1, .rate_micros = 860000}, &row), 0);
    static const int64_t took_ms[] = {45000, 83000};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(queue_line(queue, "process", &row, 1), 1);
        assert_int_equal(queue_claim(queue, row), 0);
        queue->now_ms += took_ms[i];
        assert_int_equal(queue_finish(queue, row, i ? STATUS_COMPLETED : STATUS_FAILED, 1 - i), 0);
        queue_settle(queue);
    }
    CLEANUP(batch_release) struct batch got = queue_batch_get(queue, batch);
    assert_int_equal(got.counts.cost_micros, 40000);
    assert_int_equal(got.counts.ended_ms_sum, 128000);
    assert_int_equal(got.counts.first_started_ms, QUEUE_NOW);
    assert_int_equal(got.counts.last_ended_ms, QUEUE_NOW + 128000);
    assert_int_equal(batch_total(&got.counts), 1);
}

static void batches_are_listed_newest_first(void **state)
{
    struct queue *queue = *state;
    int64_t rows[5];
    for (int i = 0; i < 5; i++)
        rows[i] = queue_batch(queue, &(struct batch){.expected = 1});
    assert_int_equal(sql_exec(queue->sql, "UPDATE batches SET owner = 'ada' WHERE id % 2 = 0"), 0);
    struct store_batch_list list = {.op.kind = STORE_BATCH_LIST, .account = queue->account, .limit = 3};
    assert_int_equal(catalogue_batch_list(queue->sql, &list), 0);
    assert_int_equal(list.ret_count, 3);
    assert_int_equal(list.ret_batches[0].row, rows[4]);
    assert_int_equal(list.ret_next_row, rows[2]);
    store_op_release(&list.op);
    list = (struct store_batch_list){
        .op.kind = STORE_BATCH_LIST, .account = queue->account, .limit = 3, .before_row = rows[2]};
    assert_int_equal(catalogue_batch_list(queue->sql, &list), 0);
    assert_int_equal(list.ret_count, 2);
    assert_int_equal(list.ret_next_row, 0);
    store_op_release(&list.op);
    list = (struct store_batch_list){.op.kind = STORE_BATCH_LIST, .account = queue->account, .owner = STR("ada")};
    assert_int_equal(catalogue_batch_list(queue->sql, &list), 0);
    assert_int_equal(list.ret_count, 2);
    store_op_release(&list.op);
}

// --- Random changes

enum { WORLDS = 12, STEPS = 220, BATCHES = 3 };

struct world {
    struct queue *queue;
    uint64_t random;
    int64_t batches[BATCHES];
    uint32_t added[BATCHES];
    unsigned named; // jobs are "j0" and on
};

static uint64_t draw(struct world *world, uint64_t below)
{
    return test_random(&world->random) % below;
}

// Any of the executions that there are; 0: none.
static int64_t any(struct world *world)
{
    int64_t count = queue_ask_number(world->queue, "SELECT count(*) FROM executions");
    return count ? 1 + (int64_t)draw(world, (uint64_t)count) : 0;
}

static void step_submit(struct world *world)
{
    static const char *const words[] = {"", "lost", "failed", "exit:1,timed_out"};
    char id[16], parents[2][16];
    snprintf(id, sizeof(id), "j%u", world->named);
    struct queue_job job = {.id = id,
                            .priority = (int)draw(world, 2),
                            .retries = (unsigned)draw(world, 3),
                            .retry_delay_ms = (int64_t)draw(world, 2) * 1000,
                            .retry_on = words[draw(world, ARRAY_LEN(words))],
                            .rate_micros = 860000};
    for (size_t i = 0; i < ARRAY_LEN(parents) && world->named > 0 && draw(world, 3) == 0; i++) {
        bool batch = draw(world, 4) == 0;
        snprintf(parents[i], sizeof(parents[i]), batch ? "b%u" : "j%u",
                 (unsigned)draw(world, batch ? BATCHES : world->named));
        job.parents[job.parent_count++] = (struct job_parent){
            .id = str_of(parents[i]), .wish = (enum dependency_wish)draw(world, DEPENDENCY_WISH_COUNT)};
    }
    size_t batch = draw(world, BATCHES + 1);
    int err = batch == BATCHES ? queue_submit(world->queue, &job, NULL)
                               : queue_add(world->queue, world->batches[batch], world->added[batch], &job, NULL);
    assert_true(err == 0 || err == ERR_INVALID || err == ERR_CONFLICT); // a circle; it takes no more
    world->named += err == 0;
    if (err == 0 && batch < BATCHES)
        world->added[batch]++;
}

static void step_claim(struct world *world)
{
    int64_t line[1];
    if (queue_line(world->queue, "process", line, 1) == 0)
        return;
    int err = queue_claim(world->queue, line[0]);
    assert_true(err == 0 || err == ERR_CONFLICT); // its batch starts none
}

static void step_end(struct world *world)
{
    static const enum execution_status ends[] = {STATUS_COMPLETED, STATUS_FAILED, STATUS_TIMED_OUT, STATUS_CANCELLED};
    int64_t row = any(world);
    enum execution_status status = row ? queue_status(world->queue, row) : STATUS_QUEUED;
    if (status == STATUS_RUNNING || status == STATUS_LOST)
        queue_finish(world->queue, row, ends[draw(world, ARRAY_LEN(ends))], (int)draw(world, 3));
}

static void step_lose(struct world *world)
{
    static const enum outcome_cause causes[] = {OUTCOME_SILENT, OUTCOME_SILENT, OUTCOME_BACK, OUTCOME_GIVEN_UP};
    int64_t row = any(world);
    enum execution_status status = row ? queue_status(world->queue, row) : STATUS_QUEUED;
    enum outcome_cause cause = causes[draw(world, ARRAY_LEN(causes))];
    if (status == STATUS_RUNNING || status == STATUS_LOST)
        queue_ask(world->queue, row, &(struct outcome_ask){.cause = cause});
}

static void step_return(struct world *world)
{
    int64_t row = any(world);
    if (row)
        queue_return(world->queue, row);
}

static void step_cancel(struct world *world)
{
    int64_t row = any(world);
    if (row && draw(world, 3) == 0)
        queue_cancel(world->queue, row);
}

static void step_retry(struct world *world)
{
    int64_t row = any(world), made;
    if (!row)
        return;
    int err = queue_retry(world->queue, row, &made);
    assert_true(err == 0 || err == ERR_CONFLICT);
}

static void step_batch(struct world *world)
{
    uint64_t what = draw(world, 12);
    struct store_batch_change change = {
        .row = world->batches[draw(world, BATCHES)], .close = what == 0, .cancel = what == 1, .retry = what > 8};
    assert_int_equal(queue_change(world->queue, &change), 0);
    store_op_release(&change.op);
}

static void step_settle(struct world *world)
{
    world->queue->now_ms += (int64_t)draw(world, 20000);
    if (draw(world, 2))
        queue_settle_once(world->queue);
    else
        queue_settle(world->queue);
}

static void world_check(struct world *world)
{
    for (int i = 0; i < BATCHES; i++)
        assert_counts_are_right(world->queue, world->batches[i]);
    assert_one_attempt_counts(world->queue);
}

static void world_run(struct queue *queue, uint64_t seed)
{
    static void (*const steps[])(struct world *) = {
        step_submit, step_submit, step_submit, step_claim,  step_claim,  step_claim,  step_claim,
        step_end,    step_end,    step_end,    step_end,    step_lose,   step_return, step_cancel,
        step_retry,  step_batch,  step_settle, step_settle, step_settle, step_settle,
    };
    struct world world = {.queue = queue, .random = seed};
    static const char *const names[BATCHES] = {"b0", "b1", "b2"};
    for (int i = 0; i < BATCHES; i++) {
        struct batch_limits limits = {.parallel = (unsigned)draw(&world, 3) * 2,
                                      .has_max_fails = draw(&world, 2) == 0,
                                      .max_fails = draw(&world, 6)};
        world.batches[i] = queue_batch(
            queue, &(struct batch){.batch_id = (char *)(uintptr_t)names[i], .open = true, .limits = limits});
    }
    for (int i = 0; i < STEPS; i++) {
        steps[draw(&world, ARRAY_LEN(steps))](&world);
        if (i % 11 == 0)
            world_check(&world);
    }
    queue->now_ms += RETRY_DELAY_MAX_MS;
    queue_settle(queue);
    world_check(&world);
    assert_none_is_forgotten(queue);
}

static void under_random_changes_counts_are_right_and_none_is_forgotten_or_queued_twice(void **state)
{
    struct queue *queue = *state;
    for (uint64_t seed = 1; seed <= WORLDS; seed++) {
        sql_fixture_close(&queue->sql);
        sql_fixture_reset(engine_under_test);
        *queue = queue_of(sql_fixture_connect(engine_under_test));
        print_message("world %d\n", (int)seed);
        world_run(queue, seed);
    }
}

// --- All of them

static int set_up(void **state)
{
    *state = queue_new(engine_under_test);
    return 0;
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, queue_tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_batch_is_given_back_as_it_was_made),
        TEST(a_key_makes_one_batch_within_a_day),
        TEST(the_same_request_goes_on_with_a_batch_of_its_name_that_is_not_whole),
        TEST(a_batch_takes_as_many_as_it_was_announced_with_and_each_once),
        TEST(more_than_a_batch_may_have_is_refused),
        TEST(never_more_than_parallel_are_ready_or_claimed),
        TEST(a_lost_job_gives_its_place_up),
        TEST(a_batch_is_over_when_its_lost_job_is_back_or_sealed),
        TEST(a_cancel_ends_what_is_lost_before_and_after_it),
        TEST(a_lost_job_that_is_given_back_waits_for_a_place),
        TEST(a_lost_job_without_a_batch_that_is_given_back_is_ready),
        TEST(after_too_many_failures_nothing_starts_any_more),
        TEST(a_lost_job_stops_the_batch_when_it_is_sealed_and_not_before),
        TEST(a_failure_that_is_tried_again_does_not_stop_the_batch),
        TEST(a_cancelled_batch_ends_what_waits_and_names_what_runs),
        TEST(a_cancel_that_nobody_goes_on_with_is_settled),
        TEST(what_failed_is_queued_again_and_only_that),
        TEST(each_job_has_a_cell_with_the_state_of_its_newest_attempt),
        TEST(durations_and_cost_are_of_every_attempt),
        TEST(batches_are_listed_newest_first),
        TEST(under_random_changes_counts_are_right_and_none_is_forgotten_or_queued_twice),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
