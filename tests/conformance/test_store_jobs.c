// Jobs and batches, as every adapter of the store's port keeps them. What the catalogue alone decides is in test_jobs.c
// and test_batches.c.
#include "store/store_fixture.h"

static const struct job_new plain = {.demand = STR("process")};

// What is not given is as of a job without any wishes. The identifier may be NULL.
static struct store_create create_of(int64_t account, const char *execution_id, const struct job_new *job)
{
    return (struct store_create){
        .op.kind = STORE_CREATE,
        .execution = {.account = account,
                      .execution_id = execution_id ? xstrdup(execution_id) : NULL,
                      .status = STATUS_QUEUED,
                      .spec_json = xstrdup("{\"command\":[\"true\"]}")},
        .job = job,
    };
}

static int create(struct fixture *fixture, int64_t account, const char *execution_id, const struct job_new *job,
                  int64_t *ret_row)
{
    struct store_create made = create_of(account, execution_id, job);
    int err = fixture_run(fixture, &made.op);
    *ret_row = made.execution.row;
    store_op_release(&made.op);
    return err;
}

static int64_t must_create(struct fixture *fixture, int64_t account, const char *execution_id,
                           const struct job_new *job)
{
    int64_t row;
    assert_int_equal(create(fixture, account, execution_id, job, &row), 0);
    return row;
}

static int claim(struct fixture *fixture, int64_t row)
{
    struct store_job_claim claim = {
        .op.kind = STORE_JOB_CLAIM, .row = row, .worker_id = STR("w1"), .worker_hostname = STR("host")};
    int err = fixture_run(fixture, &claim.op);
    store_op_release(&claim.op);
    return err;
}

static int finish(struct fixture *fixture, int64_t row, enum execution_status status)
{
    struct store_complete end = {.op.kind = STORE_COMPLETE,
                                 .row = row,
                                 .status = status,
                                 .has_exit_code = true,
                                 .exit_code = status != STATUS_COMPLETED};
    int err = fixture_run(fixture, &end.op);
    store_op_release(&end.op);
    return err;
}

static void settle(struct fixture *fixture)
{
    struct store_job_settle settle = {.op.kind = STORE_JOB_SETTLE};
    do
        assert_int_equal(fixture_run(fixture, &settle.op), 0);
    while (settle.ret_settled > 0);
}

static enum execution_status status_of(struct fixture *fixture, int64_t account, const char *execution_id)
{
    CLEANUP(execution_release) struct execution got = fixture_get(fixture, account, execution_id);
    return got.status;
}

static int64_t make_batch(struct fixture *fixture, int64_t account, const char *batch_id, uint64_t expected)
{
    struct store_batch_create made = {
        .op.kind = STORE_BATCH_CREATE,
        .batch = {.account = account, .batch_id = xstrdup(batch_id), .expected = expected}};
    assert_int_equal(fixture_run(fixture, &made.op), 0);
    int64_t row = made.batch.row;
    store_op_release(&made.op);
    return row;
}

static struct batch get_batch(struct fixture *fixture, int64_t account, const char *batch_id)
{
    struct store_batch_get get = {.op.kind = STORE_BATCH_GET, .account = account, .batch_id = str_of(batch_id)};
    assert_int_equal(fixture_run(fixture, &get.op), 0);
    return get.ret_batch;
}

// --- Claims

static void a_claim_brings_all_that_a_worker_needs(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    const struct job_new job = {.demand = STR("process label=gpu"),
                                .retry = {.retries = 3, .delay_ms = 500, .lost = true},
                                .timeout_ms = 60000,
                                .priority = 7,
                                .trusted = true};
    int64_t row = must_create(fixture, account, "one", &job);
    fixture_reopen(fixture);
    struct store_job_claim claim = {
        .op.kind = STORE_JOB_CLAIM, .row = row, .worker_id = STR("w1"), .worker_hostname = STR("host")};
    assert_int_equal(fixture_run(fixture, &claim.op), 0);
    const struct execution *got = &claim.ret_execution;
    assert_int_equal(got->status, STATUS_RUNNING);
    assert_int_equal(got->epoch, 1);
    assert_int_equal(got->started_ms, atomic_load(&fixture->now_ms));
    assert_string_equal(got->worker_id, "w1");
    assert_string_equal(got->worker_hostname, "host");
    assert_string_equal(got->spec_json, "{\"command\":[\"true\"]}");
    assert_int_equal(got->job.state, JOB_CLAIMED);
    assert_int_equal(got->job.timeout_ms, 60000);
    assert_int_equal(got->job.priority, 7);
    assert_true(got->job.trusted);
    assert_string_equal(got->job.demand, "process label=gpu");
    assert_int_equal(claim.ret_retry_on_lost, retry_after_lost(&job.retry, 1));
    store_op_release(&claim.op);
    assert_int_equal(fixture_run(fixture, &claim.op), ERR_CONFLICT);
    claim.row = 999;
    assert_int_equal(fixture_run(fixture, &claim.op), ERR_NOT_FOUND);
}

static void a_return_has_the_epoch_of_its_claim(void **state)
{
    struct fixture *fixture = *state;
    int64_t row = must_create(fixture, fixture_account(fixture, "a"), "one", &plain);
    assert_int_equal(claim(fixture, row), 0);
    struct store_job_return given = {.op.kind = STORE_JOB_RETURN, .row = row, .epoch = 2};
    assert_int_equal(fixture_run(fixture, &given.op), ERR_FENCED);
    given.epoch = 1;
    assert_int_equal(fixture_run(fixture, &given.op), 0);
    assert_int_equal(given.ret_execution.status, STATUS_QUEUED);
    assert_int_equal(given.ret_execution.job.state, JOB_READY);
    store_op_release(&given.op);
    assert_int_equal(fixture_run(fixture, &given.op), ERR_CONFLICT);
    assert_int_equal(claim(fixture, row), 0);
    assert_int_equal(fixture_run(fixture, &given.op), ERR_FENCED); // the old claim's
}

static void the_reason_of_an_end_is_kept(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = must_create(fixture, account, "one", &plain);
    assert_int_equal(claim(fixture, row), 0);
    struct store_complete end = {.op.kind = STORE_COMPLETE,
                                 .row = row,
                                 .epoch = 1,
                                 .status = STATUS_TIMED_OUT,
                                 .reason = STR("it ran for longer than 60 s")};
    assert_int_equal(fixture_run(fixture, &end.op), 0);
    assert_string_equal(end.ret_execution.job.reason, "it ran for longer than 60 s");
    store_op_release(&end.op);
    end.reason = STR("another");
    assert_int_equal(fixture_run(fixture, &end.op), 0); // told once more
    store_op_release(&end.op);
    CLEANUP(execution_release) struct execution got = fixture_get(fixture, account, "one");
    assert_string_equal(got.job.reason, "it ran for longer than 60 s");
}

// --- Limits

static void waiting_jobs_have_a_limit_of_their_own(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row, other;
    struct job_new job = plain;
    job.queued_max = 2;
    row = must_create(fixture, account, "one", &job);
    must_create(fixture, account, "two", &job);
    for (int i = 0; i < 2; i++) { // counted, and counted anew
        assert_int_equal(create(fixture, account, "three", &job, &other), ERR_RATE);
        fixture_reopen(fixture);
    }
    assert_int_equal(claim(fixture, row), 0);
    must_create(fixture, account, "three", &job);
    assert_int_equal(create(fixture, account, "four", &job, &other), ERR_RATE);
    // What its own runner is to run is not in their way, and they are not in its.
    struct store_create wrapped = create_of(account, "wrapped", NULL);
    wrapped.open_max = 2;
    assert_int_equal(fixture_run(fixture, &wrapped.op), 0);
    store_op_release(&wrapped.op);
    wrapped = create_of(account, "more", NULL);
    wrapped.open_max = 2;
    assert_int_equal(fixture_run(fixture, &wrapped.op), ERR_RATE);
    store_op_release(&wrapped.op);
}

static void what_a_job_may_have_is_bounded(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row;
    char wide[DEMAND_TEXT_MAX + 1];
    static struct job_parent many[DEPENDENCIES_MAX + 1];
    memset(wide, 'x', sizeof(wide));
    must_create(fixture, account, "p", &plain);
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = (struct job_parent){.id = STR("p"), .wish = DEPENDENCY_ANY};
    const struct job_new jobs[] = {
        {.demand = {wide, sizeof(wide)}},
        {.demand = STR("process"), .parents = many, .parent_count = ARRAY_LEN(many)},
        {.demand = STR("process"), .retry.retries = RETRIES_MAX + 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(jobs); i++)
        assert_int_equal(create(fixture, account, NULL, &jobs[i], &row), ERR_TOO_LARGE);
    const struct job_new most = {.demand = {wide, DEMAND_TEXT_MAX},
                                 .parents = many,
                                 .parent_count = DEPENDENCIES_MAX,
                                 .retry.retries = RETRIES_MAX};
    must_create(fixture, account, NULL, &most);
}

static void a_parent_that_is_not_there_is_named(void **state)
{
    struct fixture *fixture = *state;
    const struct job_parent parent = {.id = STR("nobody"), .wish = DEPENDENCY_OK};
    const struct job_new job = {.demand = STR("process"), .parents = &parent, .parent_count = 1};
    struct store_create made = create_of(fixture_account(fixture, "a"), "one", &job);
    assert_int_equal(fixture_run(fixture, &made.op), ERR_NOT_FOUND);
    assert_non_null(strstr(made.ret_reason, "\"nobody\""));
    store_op_release(&made.op);
}

// --- Batches

static struct store_batch_add add_of(int64_t batch, int64_t account, uint32_t first, uint32_t count,
                                     struct store_create creates[static BATCH_ADD_MAX],
                                     struct job_new jobs[static BATCH_ADD_MAX])
{
    for (uint32_t i = 0; i < count; i++) {
        jobs[i] = plain;
        jobs[i].batch_index = first + i;
        creates[i] = create_of(account, NULL, &jobs[i]);
    }
    return (struct store_batch_add){.op.kind = STORE_BATCH_ADD, .row = batch, .jobs = creates, .count = count};
}

static void jobs_are_added_all_or_none_and_each_once(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), batch = make_batch(fixture, account, "b", 300);
    static struct store_create creates[BATCH_ADD_MAX];
    static struct job_new jobs[BATCH_ADD_MAX];
    must_create(fixture, account, "taken", &plain);
    struct store_batch_add add = add_of(batch, account, 0, BATCH_ADD_MAX, creates, jobs);
    creates[9].execution.execution_id = xstrdup("taken");
    assert_int_equal(fixture_run(fixture, &add.op), ERR_CONFLICT);
    assert_int_equal(add.ret_refused, 9);
    assert_ptr_equal(creates[9].job, &jobs[9]); // the caller's again
    free_ptr(&creates[9].execution.execution_id);
    assert_int_equal(fixture_run(fixture, &add.op), 0);
    assert_int_equal(add.ret_batch.counts.of[STATUS_QUEUED], BATCH_ADD_MAX);
    assert_true(add.ret_batch.open);
    int64_t again = creates[200].execution.row; // rows need not follow each other: on PostgreSQL a day may begin
    assert_int_equal(creates[0].execution.job.batch, batch);
    assert_int_equal(creates[200].execution.job.batch_index, 200);
    store_op_release(&add.op);
    // The second part overlaps the first, as after an answer that was lost.
    add = add_of(batch, account, 200, 100, creates, jobs);
    assert_int_equal(fixture_run(fixture, &add.op), 0);
    assert_true(creates[0].ret_existed);
    assert_false(creates[99].ret_existed);
    assert_true(creates[0].execution.row == again);
    assert_int_equal(batch_total(&add.ret_batch.counts), 300);
    assert_false(add.ret_batch.open);
    store_op_release(&add.op);
}

static void of_a_batch_that_is_added_to_the_queue_has_room_or_none_comes(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), batch = make_batch(fixture, account, "b", 20);
    static struct store_create creates[BATCH_ADD_MAX];
    static struct job_new jobs[BATCH_ADD_MAX];
    struct store_batch_add add = add_of(batch, account, 0, 10, creates, jobs);
    add.queued_max = 9;
    assert_int_equal(fixture_run(fixture, &add.op), ERR_RATE);
    add.queued_max = 10;
    assert_int_equal(fixture_run(fixture, &add.op), 0);
    store_op_release(&add.op);
    CLEANUP(batch_release) struct batch got = get_batch(fixture, account, "b");
    assert_int_equal(batch_total(&got.counts), 10);
}

// --- What watchers hear, and who keeps an execution

struct heard {
    int64_t ready[8], unsettled[8], batches[8];
    size_t ready_count, unsettled_count, batch_count;
};

static void listen(void *arg, const struct store_change *changes, size_t count)
{
    struct heard *heard = arg;
    for (size_t i = 0; i < count; i++) {
        if (changes[i].ready && heard->ready_count < 8)
            heard->ready[heard->ready_count++] = changes[i].row;
        if (changes[i].unsettled && heard->unsettled_count < 8)
            heard->unsettled[heard->unsettled_count++] = changes[i].row;
        if (changes[i].batch != 0 && changes[i].row == 0 && heard->batch_count < 8)
            heard->batches[heard->batch_count++] = changes[i].batch;
    }
}

static void watchers_hear_what_became_ready_what_is_to_be_settled_and_of_which_batch(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), batch = make_batch(fixture, account, "b", 1);
    static struct store_create creates[BATCH_ADD_MAX];
    static struct job_new jobs[BATCH_ADD_MAX];
    struct heard heard = {0};
    assert_int_equal(store_watch(fixture->store, listen, &heard), 0);
    struct store_batch_add add = add_of(batch, account, 0, 1, creates, jobs);
    assert_int_equal(fixture_run(fixture, &add.op), 0);
    int64_t row = creates[0].execution.row;
    store_op_release(&add.op);
    assert_int_equal(heard.ready_count, 1);
    assert_int_equal(heard.ready[0], row);
    const struct job_parent parent = {.id = STR("b"), .wish = DEPENDENCY_OK};
    int64_t child = must_create(fixture, account, "child",
                                &(struct job_new){.demand = STR("process"), .parents = &parent, .parent_count = 1});
    assert_int_equal(heard.ready_count, 1);
    assert_int_equal(claim(fixture, row), 0);
    heard.unsettled_count = heard.batch_count = 0;
    assert_int_equal(finish(fixture, row, STATUS_COMPLETED), 0);
    assert_int_equal(heard.unsettled_count, 1);
    assert_int_equal(heard.unsettled[0], row);
    settle(fixture);
    assert_true(heard.batch_count > 0);
    assert_int_equal(heard.batches[0], batch);
    assert_int_equal(heard.ready_count, 2);
    assert_int_equal(heard.ready[1], child);
}

static void what_settling_changes_is_kept_by_nobody(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), parent = must_create(fixture, account, "p", &plain);
    const struct job_parent wanted = {.id = STR("p"), .wish = DEPENDENCY_OK};
    const struct job_new job = {.demand = STR("process"), .parents = &wanted, .parent_count = 1};
    int64_t child = must_create(fixture, account, "c", &job), other = must_create(fixture, account, "o", &plain);
    assert_int_equal(claim(fixture, parent), 0);
    assert_int_equal(finish(fixture, parent, STATUS_FAILED), 0);
    uint64_t before = store_version(fixture->store, child), others = store_version(fixture->store, other);
    bool alone = store_alone(fixture->store); // otherwise nothing is ever kept
    assert_int_equal(before % 2, !alone);
    settle(fixture);
    assert_int_equal(store_version(fixture->store, child) > before, alone);
    assert_int_equal(store_version(fixture->store, child) % 2, !alone);
    assert_int_equal(store_version(fixture->store, other), others);
    assert_int_equal(status_of(fixture, account, "c"), STATUS_SKIPPED);
}

// --- What survives, and what goes

static void what_was_not_settled_is_settled_by_the_next_process(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    int64_t parent = must_create(fixture, account, "p", &plain);
    const struct job_parent wanted = {.id = STR("p"), .wish = DEPENDENCY_OK};
    const struct job_new job = {.demand = STR("process"), .parents = &wanted, .parent_count = 1};
    must_create(fixture, account, "c", &job);
    assert_int_equal(claim(fixture, parent), 0);
    assert_int_equal(finish(fixture, parent, STATUS_COMPLETED), 0);
    fixture_reopen(fixture);
    settle(fixture);
    CLEANUP(execution_release) struct execution got = fixture_get(fixture, account, "c");
    assert_int_equal(got.job.state, JOB_READY);
    struct store_job_lines lines = {.op.kind = STORE_JOB_LINES};
    assert_int_equal(fixture_run(fixture, &lines.op), 0);
    assert_int_equal(lines.ret_count, 1);
    store_op_release(&lines.op);
}

static void a_purge_draws_the_consequences_first(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), parent = must_create(fixture, account, "p", &plain);
    const struct job_parent wanted = {.id = STR("p"), .wish = DEPENDENCY_FAILED};
    const struct job_new job = {.demand = STR("process"), .parents = &wanted, .parent_count = 1};
    must_create(fixture, account, "c", &job);
    assert_int_equal(claim(fixture, parent), 0);
    assert_int_equal(finish(fixture, parent, STATUS_COMPLETED), 0);
    struct store_purge purge = {.op.kind = STORE_PURGE, .row = parent};
    assert_int_equal(fixture_run(fixture, &purge.op), 0);
    assert_int_equal(status_of(fixture, account, "c"), STATUS_SKIPPED);
    CLEANUP(execution_release) struct execution gone = fixture_get(fixture, account, "p");
    assert_true(gone.purged);
    assert_false(gone.job.is_job);
}

static void a_failed_job_of_a_deleted_account_is_not_tried_again(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a");
    const struct job_new job = {.demand = STR("process"), .retry.retries = 5};
    int64_t row = must_create(fixture, account, "one", &job);
    assert_int_equal(claim(fixture, row), 0);
    assert_int_equal(finish(fixture, row, STATUS_FAILED), 0);
    struct store_account_change change = {
        .op.kind = STORE_ACCOUNT_CHANGE, .name = STR("a"), .state = ACCOUNT_DELETED, .purge = true};
    assert_int_equal(fixture_run(fixture, &change.op), 0);
    settle(fixture);
    struct store_list list = {.op.kind = STORE_LIST, .account = account};
    assert_int_equal(fixture_list_count(fixture, list), 0);
}

static void a_hand_queues_again_what_has_ended(void **state)
{
    struct fixture *fixture = *state;
    int64_t account = fixture_account(fixture, "a"), row = must_create(fixture, account, "one", &plain);
    struct store_job_retry retry = {.op.kind = STORE_JOB_RETRY, .row = row};
    assert_int_equal(fixture_run(fixture, &retry.op), ERR_CONFLICT);
    assert_int_equal(claim(fixture, row), 0);
    assert_int_equal(finish(fixture, row, STATUS_FAILED), 0);
    assert_int_equal(fixture_run(fixture, &retry.op), 0);
    assert_int_equal(retry.ret_execution.status, STATUS_QUEUED);
    assert_string_equal(retry.ret_execution.job.retry_of, "one");
    assert_int_equal(retry.ret_execution.job.attempt, 2);
    int64_t again = retry.ret_execution.row;
    store_op_release(&retry.op);
    assert_int_equal(claim(fixture, again), 0);
    CLEANUP(execution_release) struct execution first = fixture_get(fixture, account, "one");
    assert_non_null(first.job.retried_as);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        ON_EACH(a_claim_brings_all_that_a_worker_needs),
        ON_EACH(a_return_has_the_epoch_of_its_claim),
        ON_EACH(the_reason_of_an_end_is_kept),
        ON_EACH(waiting_jobs_have_a_limit_of_their_own),
        ON_EACH(what_a_job_may_have_is_bounded),
        ON_EACH(a_parent_that_is_not_there_is_named),
        ON_EACH(jobs_are_added_all_or_none_and_each_once),
        ON_EACH(of_a_batch_that_is_added_to_the_queue_has_room_or_none_comes),
        ON_EACH(watchers_hear_what_became_ready_what_is_to_be_settled_and_of_which_batch),
        ON_EACH(what_settling_changes_is_kept_by_nobody),
        ON_EACH(what_was_not_settled_is_settled_by_the_next_process),
        ON_EACH(a_purge_draws_the_consequences_first),
        ON_EACH(a_failed_job_of_a_deleted_account_is_not_tried_again),
        ON_EACH(a_hand_queues_again_what_has_ended),
    };
    return FIXTURE_EACH(tests);
}
