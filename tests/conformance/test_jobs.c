// The queue on every engine: jobs that wait, are claimed, end, are tried again, and what waits for them.
#include "store/queue_fixture.h"
#include "store/sql_fixture.h"

static struct sql_fixture *engine_under_test;

static const struct queue_job plain = {0};

static void assert_line(struct queue *queue, const char *demand, const int64_t *rows, size_t count)
{
    int64_t line[32];
    assert_int_equal(queue_line(queue, demand, line, ARRAY_LEN(line)), count);
    for (size_t i = 0; i < count; i++)
        assert_int_equal(line[i], rows[i]);
}
#define ASSERT_LINE(queue, demand, ...)                            \
    assert_line((queue), (demand), (const int64_t[]){__VA_ARGS__}, \
                sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

static void assert_reason(struct queue *queue, int64_t row, const char *reason)
{
    CLEANUP(execution_release) struct execution execution = queue_get(queue, row);
    assert_int_equal(execution.status, STATUS_SKIPPED);
    assert_true(execution.sealed);
    assert_string_equal(execution.job.reason, reason);
}

// --- The line

static void a_job_is_ready_and_shown_as_it_was_made(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(
        queue, &(struct queue_job){
                   .id = "one", .demand = "process label=gpu", .priority = -3, .retries = 2, .rate_micros = 860000});
    CLEANUP(execution_release) struct execution execution = queue_get(queue, row);
    assert_true(execution.job.is_job);
    assert_int_equal(execution.status, STATUS_QUEUED);
    assert_int_equal(execution.job.state, JOB_READY);
    assert_int_equal(execution.job.attempt, 1);
    assert_int_equal(execution.job.retries, 2);
    assert_int_equal(execution.job.priority, -3);
    assert_int_equal(execution.job.rate_micros, 860000);
    assert_string_equal(execution.job.demand, "process label=gpu");
    assert_null(execution.job.retry_of);
    assert_null(execution.job.retried_as);
    assert_null(execution.job.reason);
    assert_int_equal(queue->ready, 1);
}

static void a_line_is_sorted_by_priority_and_by_whose_turn_it_is(void **state)
{
    struct queue *queue = *state;
    int64_t first = queue_must_submit(queue, &plain), second = queue_must_submit(queue, &plain);
    int64_t high = queue_must_submit(queue, &(struct queue_job){.priority = 5});
    int64_t low = queue_must_submit(queue, &(struct queue_job){.priority = -5});
    queue_must_submit(queue, &(struct queue_job){.demand = "container"});
    ASSERT_LINE(queue, "process", high, first, second, low);
    assert_int_equal(queue_claim(queue, first), 0);
    ASSERT_LINE(queue, "process", high, second, low);
}

static void a_single_job_behind_a_batch_is_next_and_batches_take_turns(void **state)
{
    struct queue *queue = *state;
    int64_t rows[2][4], batches[2], single;
    for (int b = 0; b < 2; b++) {
        batches[b] = queue_batch(queue, &(struct batch){.expected = 4});
        for (uint32_t i = 0; i < 4; i++)
            assert_int_equal(queue_add(queue, batches[b], i, &plain, &rows[b][i]), 0);
    }
    ASSERT_LINE(queue, "process", rows[0][0], rows[0][1], rows[1][0], rows[0][2], rows[1][1], rows[0][3], rows[1][2],
                rows[1][3]);
    single = queue_must_submit(queue, &plain);
    ASSERT_LINE(queue, "process", rows[0][0], single, rows[0][1], rows[1][0], rows[0][2], rows[1][1], rows[0][3],
                rows[1][2], rows[1][3]);
}

static void lines_are_found_one_after_the_other(void **state)
{
    struct queue *queue = *state;
    static const char *const demands[] = {"process", "container", "process label=gpu"};
    for (int i = 0; i < 9; i++)
        queue_must_submit(queue, &(struct queue_job){.demand = demands[i % 3]});
    struct store_job_lines lines = {.op.kind = STORE_JOB_LINES, .limit = 2};
    assert_int_equal(catalogue_job_lines(queue->sql, &lines), 0);
    assert_int_equal(lines.ret_count, 2);
    assert_int_equal(lines.ret_lines[0].account, queue->account);
    assert_string_equal(lines.ret_lines[0].demand, "container");
    assert_string_equal(lines.ret_lines[1].demand, "process");
    struct store_job_lines rest = {
        .op.kind = STORE_JOB_LINES, .after_account = queue->account, .after_demand = str_of(lines.ret_lines[1].demand)};
    assert_int_equal(catalogue_job_lines(queue->sql, &rest), 0);
    assert_int_equal(rest.ret_count, 1);
    assert_string_equal(rest.ret_lines[0].demand, "process label=gpu");
    store_op_release(&lines.op);
    store_op_release(&rest.op);
}

static void what_a_job_waits_for_is_told(void **state)
{
    struct queue *queue = *state;
    int64_t first = queue_must_submit(queue, &(struct queue_job){.id = "first"});
    int64_t second = queue_must_submit(queue, &plain);
    int64_t child = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("first"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    struct store_job_waits waits = {.op.kind = STORE_JOB_WAITS, .row = second};
    assert_int_equal(catalogue_job_waits(queue->sql, &waits), 0);
    assert_int_equal(waits.ret_before, 1);
    assert_int_equal(waits.ret_job.state, JOB_READY);
    store_op_release(&waits.op);
    waits = (struct store_job_waits){.op.kind = STORE_JOB_WAITS, .row = child};
    assert_int_equal(catalogue_job_waits(queue->sql, &waits), 0);
    assert_int_equal(waits.ret_job.state, JOB_HELD);
    assert_int_equal(waits.ret_parents, 1);
    assert_string_equal(waits.ret_parent, "first");
    store_op_release(&waits.op);
    int64_t batch = queue_batch(queue, &(struct batch){.expected = 2, .limits.parallel = 1}), held;
    assert_int_equal(queue_add(queue, batch, 0, &plain, NULL), 0);
    assert_int_equal(queue_add(queue, batch, 1, &plain, &held), 0);
    waits = (struct store_job_waits){.op.kind = STORE_JOB_WAITS, .row = held};
    assert_int_equal(catalogue_job_waits(queue->sql, &waits), 0);
    assert_int_equal(waits.ret_parents, 0);
    assert_int_equal(waits.ret_batch_active, 1);
    assert_int_equal(waits.ret_batch_parallel, 1);
    store_op_release(&waits.op);
    waits = (struct store_job_waits){.op.kind = STORE_JOB_WAITS, .row = first + 1000};
    assert_int_equal(catalogue_job_waits(queue->sql, &waits), 0);
    assert_false(waits.ret_job.is_job);
}

// --- Claim, return

static void a_job_is_claimed_once(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &plain);
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_claim(queue, row), ERR_CONFLICT);
    CLEANUP(execution_release) struct execution execution = queue_get(queue, row);
    assert_int_equal(execution.status, STATUS_RUNNING);
    assert_int_equal(execution.epoch, 1);
    assert_string_equal(execution.worker_id, "w1");
    assert_int_equal(execution.job.state, JOB_CLAIMED);
    assert_int_equal(queue_claim(queue, row + 1), ERR_NOT_FOUND);
}

static void what_is_given_back_is_first_in_its_line_and_its_old_claim_is_fenced(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &plain), other = queue_must_submit(queue, &plain);
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_return(queue, row), 0);
    assert_int_equal(queue->ready, 3);
    ASSERT_LINE(queue, "process", row, other);
    struct execution execution = queue_get(queue, row);
    assert_int_equal(execution.status, STATUS_QUEUED);
    assert_null(execution.worker_id);
    assert_int_equal(execution.started_ms, 0);
    assert_int_equal(execution.epoch, 1);
    execution_release(&execution);
    assert_int_equal(queue_claim(queue, row), 0);
    execution = queue_get(queue, row);
    assert_int_equal(execution.epoch, 2);
    execution_release(&execution);
}

static void what_is_given_back_after_a_cancel_ends(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &(struct queue_job){.retries = 3});
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_cancel(queue, row), 0);
    assert_int_equal(queue_status(queue, row), STATUS_RUNNING); // its runner is to be told
    assert_int_equal(queue_return(queue, row), 0);
    assert_int_equal(queue_status(queue, row), STATUS_CANCELLED);
    queue_settle(queue);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM executions"), 1);
}

static void what_waits_is_cancelled_at_once_also_when_somebody_had_it(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &plain);
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_return(queue, row), 0);
    assert_int_equal(queue_cancel(queue, row), 0);
    assert_int_equal(queue_status(queue, row), STATUS_CANCELLED);
    assert_int_equal(queue_line(queue, "process", &row, 1), 0);
}

static void assert_claimed(struct queue *queue, int64_t node, int64_t after, const int64_t *rows, size_t count,
                           size_t lost)
{
    struct store_jobs_claimed query = {
        .op.kind = STORE_JOBS_CLAIMED, .node = node, .account = queue->account, .worker_id = STR("w1"), .after = after};
    assert_int_equal(catalogue_jobs_claimed(queue->sql, &query), 0);
    assert_int_equal(query.ret_count, count);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(query.ret_jobs[i].row, rows[i]);
        lost -= query.ret_jobs[i].lost;
        assert_false(query.ret_jobs[i].has_records);
        assert_string_equal(query.ret_jobs[i].demand, "process");
    }
    assert_int_equal(lost, 0);
    store_op_release(&query.op);
}

static void what_a_worker_has_is_told_by_pages_with_what_was_lost(void **state)
{
    struct queue *queue = *state;
    int64_t rows[4];
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        CLEANUP(free_ptr) char *lease = NULL;
        rows[i] = queue_must_submit(queue, &plain);
        assert_int_equal(queue_claim(queue, rows[i]), 0);
        lease = xasprintf("INSERT INTO leases(kind, subject, node, epoch, deadline_ms) VALUES(1, %lld, 7, 1, 0)",
                          (long long)rows[i]);
        assert_int_equal(sql_exec(queue->sql, lease), 0);
    }
    assert_claimed(queue, 7, 0, rows, 4, 0);
    assert_claimed(queue, 7, rows[1], rows + 2, 2, 0);
    assert_claimed(queue, 8, 0, rows, 0, 0); // of another node
    assert_int_equal(queue_ask(queue, rows[0], &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
    assert_claimed(queue, 7, 0, rows, 4, 1); // also before that is settled
    queue_settle(queue);
    assert_claimed(queue, 7, 0, rows, 4, 1);
    assert_claimed(queue, 8, 0, rows, 1, 1); // whoever has its lease
    assert_int_equal(queue_ask(queue, rows[0], &(struct outcome_ask){.cause = OUTCOME_GIVEN_UP}), 0);
    assert_int_equal(queue_finish(queue, rows[3], STATUS_COMPLETED, 0), 0);
    assert_claimed(queue, 7, 0, rows + 1, 2, 0);
}

// --- Retries

static void a_failed_job_is_tried_again_as_often_as_its_rule_says(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &(struct queue_job){.id = "one", .retries = 2, .priority = 4});
    for (int attempt = 1; attempt <= 3; attempt++) {
        int64_t line[2];
        assert_int_equal(queue_line(queue, "process", line, 2), 1);
        struct execution execution = queue_get(queue, line[0]);
        assert_int_equal(execution.job.attempt, attempt);
        assert_int_equal(execution.job.priority, 4);
        assert_string_equal(execution.metadata_json, "{\"team\":\"x\"}");
        if (attempt == 2)
            assert_string_equal(execution.job.retry_of, "one");
        execution_release(&execution);
        assert_int_equal(queue_claim(queue, line[0]), 0);
        assert_int_equal(queue_finish(queue, line[0], STATUS_FAILED, 3), 0);
        assert_int_equal(queue_state(queue, line[0]), JOB_OVER);
        queue_settle(queue);
        assert_int_equal(queue_state(queue, line[0]), JOB_ENDED);
    }
    int64_t none;
    assert_int_equal(queue_line(queue, "process", &none, 1), 0);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM executions"), 3);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM endings"), 0);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM labels"), 3);
    CLEANUP(execution_release) struct execution first = queue_get(queue, row);
    assert_non_null(first.job.retried_as);
}

static void a_retry_waits_for_its_delay_which_a_clock_ahead_does_not_lengthen(void **state)
{
    struct queue *queue = *state;
    static const int64_t ahead_ms[] = {0, 3600000};
    for (size_t i = 0; i < ARRAY_LEN(ahead_ms); i++) {
        int64_t row = queue_must_submit(queue, &(struct queue_job){.retries = 1, .retry_delay_ms = 5000}), again;
        assert_int_equal(queue_claim(queue, row), 0);
        const struct outcome_ask end = {
            .cause = OUTCOME_ENDED, .status = STATUS_FAILED, .completed_ms = queue->now_ms + ahead_ms[i]};
        assert_int_equal(queue_ask(queue, row, &end), 0);
        queue_settle(queue);
        assert_int_equal(queue_line(queue, "process", &again, 1), 0);
        const struct catalogue_changes none = {0};
        struct store_job_settle settle = {.op.kind = STORE_JOB_SETTLE};
        assert_int_equal(catalogue_job_settle(queue->sql, &settle, queue->now_ms, &none), 0);
        assert_int_equal(settle.ret_settled, 0);
        assert_int_equal(settle.ret_next_due_ms, queue->now_ms + 5000);
        queue->now_ms += 4999;
        queue_settle(queue);
        assert_int_equal(queue_line(queue, "process", &again, 1), 0);
        queue->now_ms += 1;
        queue_settle(queue);
        assert_int_equal(queue_line(queue, "process", &again, 1), 1);
        assert_int_equal(queue_claim(queue, again), 0);
        assert_int_equal(queue_finish(queue, again, STATUS_COMPLETED, 0), 0);
        queue_settle(queue);
    }
}

static void a_lost_job_is_tried_again_after_the_margin_if_its_rule_says_so(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &(struct queue_job){.retries = 1, .retry_on = "lost"}), again;
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
    queue_settle(queue);
    queue->now_ms += RETRY_LOST_MARGIN_MS - 1;
    queue_settle(queue);
    assert_int_equal(queue_line(queue, "process", &again, 1), 0);
    queue->now_ms += 1;
    queue_settle(queue);
    assert_int_equal(queue_line(queue, "process", &again, 1), 1);
    assert_int_not_equal(again, row);
    CLEANUP(execution_release) struct execution lost = queue_get(queue, row), next = queue_get(queue, again);
    assert_string_equal(lost.cancel_reason, "it was lost, and is tried again");
    assert_null(next.cancel_reason);
    // The silent one comes back and has ended: that changes nothing any more.
    assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_BACK}), 0);
    assert_int_equal(queue_finish(queue, row, STATUS_FAILED, 1), 0);
    queue_settle(queue);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM executions"), 2);
}

static void a_lost_job_without_a_rule_may_come_back_and_those_behind_it_wait(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &(struct queue_job){.id = "p", .retries = 3, .retry_on = "failed"});
    int64_t child = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("p"), .wish = DEPENDENCY_ANY}}, .parent_count = 1});
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
    queue_settle(queue);
    assert_int_equal(queue_state(queue, row), JOB_LOST);
    assert_int_equal(queue_state(queue, child), JOB_HELD);
    assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_BACK}), 0);
    assert_int_equal(queue_state(queue, row), JOB_CLAIMED);
    assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
    assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_GIVEN_UP}), 0);
    queue_settle(queue);
    assert_int_equal(queue_state(queue, row), JOB_ENDED);
    assert_int_equal(queue_state(queue, child), JOB_READY);
}

static void what_was_asked_to_cancel_is_not_tried_again(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &(struct queue_job){.retries = 5});
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_cancel(queue, row), 0);
    assert_int_equal(queue_finish(queue, row, STATUS_FAILED, 143), 0);
    queue_settle(queue);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM executions"), 1);
}

static void a_job_is_queued_again_by_hand_once_it_has_ended(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &(struct queue_job){.retries = 1}), again, third, line;
    assert_int_equal(queue_retry(queue, row, &again), ERR_CONFLICT);
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_retry(queue, row, &again), ERR_CONFLICT);
    assert_int_equal(queue_finish(queue, row, STATUS_COMPLETED, 0), 0);
    assert_int_equal(queue_retry(queue, row, &again), 0); // before it was settled
    assert_int_equal(queue_retry(queue, row, &third), ERR_CONFLICT);
    queue_settle(queue);
    ASSERT_LINE(queue, "process", again);
    // Its count of retries begins anew.
    assert_int_equal(queue_claim(queue, again), 0);
    assert_int_equal(queue_finish(queue, again, STATUS_FAILED, 1), 0);
    queue_settle(queue);
    assert_int_equal(queue_line(queue, "process", &line, 1), 1);
    CLEANUP(execution_release) struct execution execution = queue_get(queue, line);
    assert_int_equal(execution.job.attempt, 3);
    assert_int_equal(queue_retry(queue, row + 100, &third), ERR_NOT_FOUND);
}

static void a_lost_job_that_is_queued_again_by_hand_is_asked_to_cancel(void **state)
{
    struct queue *queue = *state;
    int64_t row = queue_must_submit(queue, &plain), again, line;
    assert_int_equal(queue_claim(queue, row), 0);
    assert_int_equal(queue_ask(queue, row, &(struct outcome_ask){.cause = OUTCOME_SILENT}), 0);
    queue_settle(queue);
    assert_int_equal(queue_retry(queue, row, &again), 0);
    CLEANUP(execution_release) struct execution lost = queue_get(queue, row);
    assert_non_null(lost.cancel_reason);
    assert_int_equal(queue_line(queue, "process", &line, 1), 0);
    queue->now_ms += RETRY_LOST_MARGIN_MS;
    queue_settle(queue);
    ASSERT_LINE(queue, "process", again);
}

// --- Dependencies

static void a_job_waits_for_all_that_it_names(void **state)
{
    struct queue *queue = *state;
    static const char *const names[] = {"a", "b", "c"};
    int64_t parents[3];
    for (size_t i = 0; i < 3; i++)
        parents[i] = queue_must_submit(queue, &(struct queue_job){.id = names[i]});
    int64_t child =
        queue_must_submit(queue, &(struct queue_job){.parents = {{.id = STR("a"), .wish = DEPENDENCY_OK},
                                                                 {.id = STR("b"), .wish = DEPENDENCY_FAILED},
                                                                 {.id = STR("c"), .wish = DEPENDENCY_ANY},
                                                                 {.id = STR("a"), .wish = DEPENDENCY_OK}}, // twice
                                                     .parent_count = 4});
    static const enum execution_status ends[] = {STATUS_COMPLETED, STATUS_TIMED_OUT, STATUS_CANCELLED};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(queue_state(queue, child), JOB_HELD);
        assert_int_equal(queue_claim(queue, parents[i]), 0);
        assert_int_equal(queue_finish(queue, parents[i], ends[i], -1), 0);
        queue_settle(queue);
    }
    assert_int_equal(queue_state(queue, child), JOB_READY);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM dependencies"), 0);
}

static void what_can_never_run_is_skipped_with_the_reason_and_so_is_what_waits_for_it(void **state)
{
    struct queue *queue = *state;
    int64_t parent = queue_must_submit(queue, &(struct queue_job){.id = "p"});
    int64_t child = queue_must_submit(
        queue, &(struct queue_job){.id = "c", .parents = {{.id = STR("p"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    int64_t grandchild = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("c"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    int64_t tidy = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("c"), .wish = DEPENDENCY_ANY}}, .parent_count = 1});
    assert_int_equal(queue_claim(queue, parent), 0);
    assert_int_equal(queue_finish(queue, parent, STATUS_FAILED, 2), 0);
    queue_settle(queue);
    assert_reason(queue, child, "it was to run if p completed, and that one ended as failed");
    assert_reason(queue, grandchild, "it was to run if c completed, and that one ended as skipped");
    assert_int_equal(queue_state(queue, tidy), JOB_READY);
}

static void a_retry_keeps_those_that_wait_for_the_job_waiting(void **state)
{
    struct queue *queue = *state;
    int64_t parent = queue_must_submit(queue, &(struct queue_job){.id = "p", .retries = 1}), again;
    int64_t child = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("p"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    assert_int_equal(queue_claim(queue, parent), 0);
    assert_int_equal(queue_finish(queue, parent, STATUS_FAILED, 2), 0);
    // Named by its first attempt while it is not settled, and afterwards.
    int64_t before = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("p"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    queue_settle(queue);
    int64_t after = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("p"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    assert_int_equal(queue_line(queue, "process", &again, 1), 1);
    assert_int_equal(queue_claim(queue, again), 0);
    assert_int_equal(queue_finish(queue, again, STATUS_COMPLETED, 0), 0);
    queue_settle(queue);
    ASSERT_LINE(queue, "process", child, before, after);
}

static void a_parent_that_has_ended_is_judged_at_once(void **state)
{
    struct queue *queue = *state;
    int64_t parent = queue_must_submit(queue, &(struct queue_job){.id = "p"});
    assert_int_equal(queue_claim(queue, parent), 0);
    assert_int_equal(queue_finish(queue, parent, STATUS_FAILED, 1), 0);
    queue_settle(queue);
    static const struct {
        enum dependency_wish wish;
        enum execution_status status;
    } cases[] = {{DEPENDENCY_OK, STATUS_SKIPPED}, {DEPENDENCY_ANY, STATUS_QUEUED}, {DEPENDENCY_FAILED, STATUS_QUEUED}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t child = queue_must_submit(
            queue, &(struct queue_job){.parents = {{.id = STR("p"), .wish = cases[i].wish}}, .parent_count = 1});
        assert_int_equal(queue_status(queue, child), cases[i].status);
    }
    queue_settle(queue);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM endings"), 0);
}

static void what_is_no_job_may_be_waited_for_too(void **state)
{
    struct queue *queue = *state;
    struct store_create made = {.execution = {.account = queue->account,
                                              .execution_id = xstrdup("wrapped"),
                                              .status = STATUS_QUEUED,
                                              .restored_from = UINT64_MAX}};
    assert_int_equal(sql_begin(queue->sql, SQL_WRITE), 0);
    assert_int_equal(catalogue_create(queue->sql, &made, queue->now_ms), 0);
    assert_int_equal(sql_commit(queue->sql), 0);
    int64_t wrapped = made.execution.row;
    execution_release(&made.execution);
    int64_t child = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("wrapped"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    assert_int_equal(queue_ask(queue, wrapped, &(struct outcome_ask){.cause = OUTCOME_CLAIMED}), 0);
    assert_int_equal(queue_state(queue, child), JOB_HELD);
    assert_int_equal(queue_finish(queue, wrapped, STATUS_COMPLETED, 0), 0);
    queue_settle(queue);
    assert_int_equal(queue_state(queue, child), JOB_READY);
    queue_must_submit(queue, &(struct queue_job){.id = "late",
                                                 .parents = {{.id = STR("wrapped"), .wish = DEPENDENCY_FAILED}},
                                                 .parent_count = 1});
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM executions WHERE status = 'skipped'"), 1);
}

static void a_parent_that_is_not_there_is_named(void **state)
{
    struct queue *queue = *state;
    const struct queue_job job = {.parents = {{.id = STR("nobody"), .wish = DEPENDENCY_OK}}, .parent_count = 1};
    assert_int_equal(queue_submit(queue, &job, NULL), ERR_NOT_FOUND);
    assert_string_equal(queue_reason(), "there is no execution and no batch \"nobody\" that it could wait for");
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM executions"), 0);
}

static void a_batch_is_waited_for_until_all_of_it_is_over(void **state)
{
    struct queue *queue = *state;
    int64_t batch = queue_batch(queue, &(struct batch){.batch_id = "b", .open = true}), rows[2];
    assert_int_equal(queue_add(queue, batch, 0, &plain, &rows[0]), 0);
    assert_int_equal(queue_add(queue, batch, 1, &(struct queue_job){.retries = 1}, &rows[1]), 0);
    int64_t ok = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("b"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    int64_t failed = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("b"), .wish = DEPENDENCY_FAILED}}, .parent_count = 1});
    for (int i = 0; i < 2; i++) {
        assert_int_equal(queue_claim(queue, rows[i]), 0);
        assert_int_equal(queue_finish(queue, rows[i], i ? STATUS_FAILED : STATUS_COMPLETED, i), 0);
    }
    queue_settle(queue);
    assert_int_equal(queue_line(queue, "process", &rows[1], 1), 1); // its second attempt
    assert_int_equal(queue_claim(queue, rows[1]), 0);
    assert_int_equal(queue_finish(queue, rows[1], STATUS_COMPLETED, 0), 0);
    queue_settle(queue);
    assert_int_equal(queue_state(queue, ok), JOB_HELD); // it takes more
    struct store_batch_change close = {.row = batch, .close = true};
    assert_int_equal(queue_change(queue, &close), 0);
    assert_false(close.ret_batch.open);
    store_op_release(&close.op);
    queue_settle(queue);
    assert_int_equal(queue_state(queue, ok), JOB_READY);
    assert_reason(queue, failed, "it was to run if a job of b failed, and all completed");
}

static void a_batch_cannot_wait_for_itself(void **state)
{
    struct queue *queue = *state;
    int64_t batch = queue_batch(queue, &(struct batch){.batch_id = "b", .open = true});
    int64_t other = queue_batch(queue, &(struct batch){.batch_id = "o", .open = true});
    const struct queue_job itself = {.parents = {{.id = STR("b"), .wish = DEPENDENCY_OK}}, .parent_count = 1};
    assert_int_equal(queue_add(queue, batch, 0, &itself, NULL), ERR_INVALID);
    assert_string_equal(queue_reason(), "it would wait for \"b\", which waits for its batch");
    // By way of a job, of another batch, and of a job in that.
    queue_must_submit(queue, &(struct queue_job){
                                 .id = "x", .parents = {{.id = STR("b"), .wish = DEPENDENCY_ANY}}, .parent_count = 1});
    assert_int_equal(queue_add(queue, other, 0,
                               &(struct queue_job){
                                   .id = "y", .parents = {{.id = STR("x"), .wish = DEPENDENCY_ANY}}, .parent_count = 1},
                               NULL),
                     0);
    queue_must_submit(queue, &(struct queue_job){
                                 .id = "z", .parents = {{.id = STR("o"), .wish = DEPENDENCY_ANY}}, .parent_count = 1});
    static const char *const circles[] = {"x", "y", "o", "z"};
    for (size_t i = 0; i < ARRAY_LEN(circles); i++) {
        const struct queue_job circle = {.parents = {{.id = str_of(circles[i]), .wish = DEPENDENCY_ANY}},
                                         .parent_count = 1};
        assert_int_equal(queue_add(queue, batch, 1, &circle, NULL), ERR_INVALID);
    }
    assert_int_equal(queue_add(queue, batch, 1, &(struct queue_job){.id = "w"}, NULL), 0);
    const struct queue_job fine = {.parents = {{.id = STR("w"), .wish = DEPENDENCY_ANY}}, .parent_count = 1};
    assert_int_equal(queue_add(queue, batch, 2, &fine, NULL), 0);
}

static void many_that_wait_for_one_are_judged_in_parts(void **state)
{
    struct queue *queue = *state;
    enum { MANY = 1500 };
    int64_t parent = queue_must_submit(queue, &(struct queue_job){.id = "p"});
    int64_t batch = queue_batch(queue, &(struct batch){.expected = MANY});
    for (uint32_t i = 0; i < MANY; i++)
        assert_int_equal(
            queue_add(queue, batch, i,
                      &(struct queue_job){.parents = {{.id = STR("p"), .wish = DEPENDENCY_OK}}, .parent_count = 1},
                      NULL),
            0);
    assert_int_equal(queue_claim(queue, parent), 0);
    assert_int_equal(queue_finish(queue, parent, STATUS_COMPLETED, 0), 0);
    assert_true(queue_settle_once(queue) > 0);
    int64_t after_one = queue_ask_number(queue, "SELECT count(*) FROM jobs WHERE state = 2");
    assert_true(after_one > 0 && after_one < MANY);
    queue_settle(queue);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM jobs WHERE state = 2"), MANY);
    assert_int_equal(queue_ask_number(queue, "SELECT count(*) FROM endings"), 0);
}

// --- What is purged

static void a_purge_draws_the_consequences_and_leaves_nothing(void **state)
{
    struct queue *queue = *state;
    int64_t parent = queue_must_submit(queue, &(struct queue_job){.id = "p"});
    int64_t child = queue_must_submit(
        queue, &(struct queue_job){.parents = {{.id = STR("p"), .wish = DEPENDENCY_OK}}, .parent_count = 1});
    assert_int_equal(queue_claim(queue, parent), 0);
    assert_int_equal(queue_finish(queue, parent, STATUS_COMPLETED, 0), 0);
    assert_int_equal(queue_purge(queue, parent), 0);
    assert_int_equal(queue_state(queue, child), JOB_READY);
    assert_int_equal(queue_cancel(queue, child), 0);
    assert_int_equal(queue_purge(queue, child), 0);
    static const char *const tables[] = {"jobs", "dependencies", "endings", "documents", "labels"};
    for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
        CLEANUP(free_ptr) char *count = xasprintf("SELECT count(*) FROM %s", tables[i]);
        assert_int_equal(queue_ask_number(queue, count), 0);
    }
}

static void of_a_purged_attempt_the_others_are_known(void **state)
{
    struct queue *queue = *state;
    for (int purged = 0; purged < 3; purged++) {
        CLEANUP(free_ptr) char *name = xasprintf("p%d", purged);
        int64_t rows[3] = {queue_must_submit(queue, &(struct queue_job){.id = name, .retries = 2})};
        for (int i = 0; i < 3; i++) {
            if (i > 0)
                assert_int_equal(queue_line(queue, "process", &rows[i], 1), 1);
            assert_int_equal(queue_claim(queue, rows[i]), 0);
            assert_int_equal(queue_finish(queue, rows[i], i < 2 ? STATUS_FAILED : STATUS_COMPLETED, i < 2), 0);
            queue_settle(queue);
        }
        assert_int_equal(queue_purge(queue, rows[purged]), 0);
        // Only the first one's name was told to anybody.
        int64_t child =
            queue_must_submit(queue, &(struct queue_job){.demand = "container",
                                                         .parents = {{.id = str_of(name), .wish = DEPENDENCY_OK}},
                                                         .parent_count = 1});
        assert_int_equal(queue_status(queue, child), purged == 0 ? STATUS_SKIPPED : STATUS_QUEUED);
    }
}

// --- Workers

static void roster_tell(struct queue *queue, int64_t node, const char *roster)
{
    const struct store_roster_tell tell = {.node = node, .roster = str_of(roster)};
    assert_int_equal(sql_begin(queue->sql, SQL_WRITE), 0);
    assert_int_equal(catalogue_roster_tell(queue->sql, &tell), 0);
    assert_int_equal(sql_commit(queue->sql), 0);
}

static int64_t server(struct queue *queue, int64_t silent_ms)
{
    struct store_node_start start = {.node_kind = NODE_SERVER};
    int64_t now_ms;
    assert_int_equal(sql_begin(queue->sql, SQL_WRITE), 0);
    assert_int_equal(catalogue_now(queue->sql, &now_ms), 0);
    assert_int_equal(catalogue_node_start(queue->sql, &start, false, now_ms - silent_ms), 0);
    assert_int_equal(sql_commit(queue->sql), 0);
    return start.ret_node;
}

static void what_other_servers_say_counts_for_as_long_as_they_are_heard_of(void **state)
{
    struct queue *queue = *state;
    int64_t own = server(queue, 0), other = server(queue, 0), silent = server(queue, NODE_SILENT_MS + 1000);
    roster_tell(queue, own, "[1]");
    roster_tell(queue, silent, "[2]");
    roster_tell(queue, other, "[3]");
    roster_tell(queue, other, "[4]");
    struct store_rosters query = {.op.kind = STORE_ROSTERS, .but = own};
    assert_int_equal(catalogue_rosters(queue->sql, &query), 0);
    assert_int_equal(query.ret_count, 1);
    assert_string_equal(query.ret_rosters[0], "[4]");
    store_op_release(&query.op);
    assert_int_equal(sql_exec(queue->sql, "UPDATE nodes SET fenced_ms = 1 WHERE id > 0"), 0);
    roster_tell(queue, server(queue, 0), "[5]");
    assert_int_equal(catalogue_rosters(queue->sql, &query), 0);
    assert_int_equal(query.ret_count, 1); // of fenced ones nothing is left
    assert_string_equal(query.ret_rosters[0], "[5]");
    store_op_release(&query.op);
}

static void tally_tell(struct queue *queue, int64_t node, const char *tally)
{
    const struct store_tally_tell tell = {.node = node, .tally = str_of(tally)};
    assert_int_equal(sql_begin(queue->sql, SQL_WRITE), 0);
    assert_int_equal(catalogue_tally_tell(queue->sql, &tell), 0);
    assert_int_equal(sql_commit(queue->sql), 0);
}

static void what_a_server_has_counted_counts_until_it_misses_a_heartbeat(void **state)
{
    struct queue *queue = *state;
    int64_t own = server(queue, 0), other = server(queue, NODE_BEAT_MS), late = server(queue, NODE_LATE_MS + 1000);
    tally_tell(queue, own, "own");
    tally_tell(queue, late, "late");
    tally_tell(queue, other, "former");
    tally_tell(queue, other, "other");
    struct store_tallies query = {.op.kind = STORE_TALLIES, .but = own};
    assert_int_equal(catalogue_tallies(queue->sql, &query), 0);
    assert_int_equal(query.ret_count, 1);
    assert_string_equal(query.ret_tallies[0], "other");
    store_op_release(&query.op);
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
        TEST(a_job_is_ready_and_shown_as_it_was_made),
        TEST(a_line_is_sorted_by_priority_and_by_whose_turn_it_is),
        TEST(a_single_job_behind_a_batch_is_next_and_batches_take_turns),
        TEST(lines_are_found_one_after_the_other),
        TEST(what_a_job_waits_for_is_told),
        TEST(a_job_is_claimed_once),
        TEST(what_a_worker_has_is_told_by_pages_with_what_was_lost),
        TEST(what_is_given_back_is_first_in_its_line_and_its_old_claim_is_fenced),
        TEST(what_is_given_back_after_a_cancel_ends),
        TEST(what_waits_is_cancelled_at_once_also_when_somebody_had_it),
        TEST(a_failed_job_is_tried_again_as_often_as_its_rule_says),
        TEST(a_retry_waits_for_its_delay_which_a_clock_ahead_does_not_lengthen),
        TEST(a_lost_job_is_tried_again_after_the_margin_if_its_rule_says_so),
        TEST(a_lost_job_without_a_rule_may_come_back_and_those_behind_it_wait),
        TEST(what_was_asked_to_cancel_is_not_tried_again),
        TEST(a_job_is_queued_again_by_hand_once_it_has_ended),
        TEST(a_lost_job_that_is_queued_again_by_hand_is_asked_to_cancel),
        TEST(a_job_waits_for_all_that_it_names),
        TEST(what_can_never_run_is_skipped_with_the_reason_and_so_is_what_waits_for_it),
        TEST(a_retry_keeps_those_that_wait_for_the_job_waiting),
        TEST(a_parent_that_has_ended_is_judged_at_once),
        TEST(what_is_no_job_may_be_waited_for_too),
        TEST(a_parent_that_is_not_there_is_named),
        TEST(a_batch_is_waited_for_until_all_of_it_is_over),
        TEST(a_batch_cannot_wait_for_itself),
        TEST(many_that_wait_for_one_are_judged_in_parts),
        TEST(a_purge_draws_the_consequences_and_leaves_nothing),
        TEST(of_a_purged_attempt_the_others_are_known),
        TEST(what_other_servers_say_counts_for_as_long_as_they_are_heard_of),
        TEST(what_a_server_has_counted_counts_until_it_misses_a_heartbeat),
    };
    return SQL_FIXTURE_EACH(&engine_under_test, tests);
}
