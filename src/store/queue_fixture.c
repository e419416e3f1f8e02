#include "store/queue_fixture.h"

#include "store/sql_fixture.h"

#define CHANGE(queue, expression)                                                                  \
    ({                                                                                             \
        assert_int_equal(sql_begin((queue)->sql, SQL_WRITE), 0);                                   \
        int outcome_ = (expression);                                                               \
        assert_int_equal(outcome_ < 0 ? sql_rollback((queue)->sql) : sql_commit((queue)->sql), 0); \
        outcome_;                                                                                  \
    })

static _Thread_local char *last_reason;

const char *queue_reason(void)
{
    return last_reason ? last_reason : "";
}

static void keep_reason(struct store_create *create)
{
    free(last_reason);
    last_reason = TAKE_PTR(create->ret_reason);
}

// --- The least of an adapter

static int store_outcome(struct queue *queue, int64_t row, const struct outcome *now, const struct outcome *next,
                         const struct log_state *log)
{
    struct job_effect effect;
    if (outcome_equal(now, next))
        return 0;
    int err = catalogue_execution_outcome(queue->sql, row, next, log);
    if (err == 0)
        err = catalogue_job_outcome(queue->sql, row, now, next, queue->now_ms, &effect);
    queue->ready += err == 0 && effect.ready;
    return err;
}

static int change_outcome(struct queue *queue, int64_t row, const struct outcome_ask *ask)
{
    struct catalogue_head head;
    struct outcome next;
    int err = catalogue_execution_head(queue->sql, row, &head);
    if (err < 0)
        return err;
    free(head.batch_id);
    free(head.workflow_id);
    err = outcome_next(&head.outcome, ask, queue->now_ms, &next);
    return err < 0 ? err : store_outcome(queue, row, &head.outcome, &next, &head.log);
}

static int change_end(void *arg, int64_t row, enum outcome_cause cause)
{
    int err = change_outcome(arg, row, &(struct outcome_ask){.cause = cause});
    return err == ERR_SEALED || err == ERR_BAD_TRANSITION ? 0 : err;
}

static int change_made(void *arg, int64_t row)
{
    (void)arg;
    assert_true(row > 0);
    return 0;
}

static int change_changed(void *arg, int64_t row, int64_t batch, bool ready)
{
    struct queue *queue = arg;
    (void)batch;
    assert_true(row > 0);
    queue->ready += ready;
    return 0;
}

static void change_batch(void *arg, int64_t account, int64_t batch, bool unsettled)
{
    struct queue *queue = arg;
    (void)unsettled;
    assert_true(account == queue->account && batch > 0);
    queue->batch_changes++;
}

static struct catalogue_changes changes_of(struct queue *queue)
{
    return (struct catalogue_changes){queue, change_end, change_made, change_changed, change_batch};
}

struct queue queue_of(struct sql *sql)
{
    struct queue queue = {.sql = sql, .now_ms = QUEUE_NOW};
    struct store_account_ensure ensure = {.name = STR("a")};
    assert_int_equal(CHANGE(&queue, catalogue_account_ensure(sql, &ensure, QUEUE_NOW)), 0);
    queue.account = ensure.ret_account;
    return queue;
}

struct queue *queue_new(struct sql_fixture *engine)
{
    struct queue *queue = xcalloc(1, sizeof(*queue));
    sql_fixture_reset(engine);
    *queue = queue_of(sql_fixture_connect(engine));
    return queue;
}

int queue_tear_down(void **state)
{
    struct queue *queue = *state;
    sql_fixture_close(&queue->sql);
    free(queue);
    return 0;
}

// --- Submitting

static int create_apply(struct queue *queue, struct store_create *create)
{
    const struct catalogue_changes changes = changes_of(queue);
    CLEANUP(job_parents_free) struct job_parents *parents = NULL;
    int err = catalogue_create_check(queue->sql, create);
    if (err == 0)
        err = catalogue_job_judge(queue->sql, create, &parents);
    if (err == 0)
        err = catalogue_create(queue->sql, create, queue->now_ms);
    return err < 0 ? err : catalogue_job_create(queue->sql, create, parents, &changes);
}

static struct job_new job_new_of(const struct queue_job *job)
{
    struct job_new made = {
        .demand = str_of(job->demand ? job->demand : "process"),
        .retry = {.retries = job->retries, .delay_ms = job->retry_delay_ms},
        .priority = job->priority,
        .parents = job->parents,
        .parent_count = job->parent_count,
        .rate_micros = job->rate_micros,
    };
    assert_true(retry_rule_parse(str_of(job->retry_on), &made.retry));
    return made;
}

static struct store_create create_of(const struct queue *queue, const struct queue_job *job, const struct job_new *made)
{
    return (struct store_create){
        .op.kind = STORE_CREATE,
        .execution = {.account = queue->account,
                      .execution_id = job->id ? xstrdup(job->id) : NULL,
                      .status = STATUS_QUEUED,
                      .restored_from = UINT64_MAX,
                      .spec_json = xstrdup("{\"command\":[\"true\"]}"),
                      .metadata_json = xstrdup("{\"team\":\"x\"}")},
        .job = made,
    };
}

int queue_submit(struct queue *queue, const struct queue_job *job, int64_t *ret_row)
{
    const struct job_new made = job_new_of(job);
    struct store_create create = create_of(queue, job, &made);
    int err = CHANGE(queue, create_apply(queue, &create));
    if (ret_row)
        *ret_row = create.execution.row;
    keep_reason(&create);
    execution_release(&create.execution);
    return err;
}

void queue_begin_submit(struct queue *queue, const struct queue_job *job)
{
    const struct job_new made = job_new_of(job);
    struct store_create create = create_of(queue, job, &made);
    assert_int_equal(sql_begin(queue->sql, SQL_WRITE), 0);
    assert_int_equal(create_apply(queue, &create), 0);
    execution_release(&create.execution);
}

int64_t queue_must_submit(struct queue *queue, const struct queue_job *job)
{
    int64_t row;
    int err = queue_submit(queue, job, &row);
    if (err < 0)
        fail_msg("%s: %s", error_word(err), queue_reason());
    return row;
}

static int add_apply(struct queue *queue, int64_t batch, struct store_create *create, int64_t *ret_row)
{
    const struct catalogue_changes changes = changes_of(queue);
    const struct store_batch_add add = {.row = batch, .jobs = create, .count = 1};
    uint32_t first;
    int err = catalogue_batch_judge(queue->sql, &add, ret_row, &first);
    if (err < 0 || *ret_row != 0)
        return err;
    err = create_apply(queue, create);
    *ret_row = create->execution.row;
    return err < 0 ? err : catalogue_batch_added(queue->sql, batch, &changes);
}

int queue_add(struct queue *queue, int64_t batch, uint32_t index, const struct queue_job *job, int64_t *ret_row)
{
    struct job_new made = job_new_of(job);
    struct store_create create = create_of(queue, job, &made);
    int64_t row = 0;
    made.batch = batch;
    made.batch_index = index;
    int err = CHANGE(queue, add_apply(queue, batch, &create, &row));
    if (ret_row)
        *ret_row = row;
    keep_reason(&create);
    execution_release(&create.execution);
    return err;
}

int64_t queue_batch(struct queue *queue, const struct batch *batch)
{
    struct store_batch_create create = {.op.kind = STORE_BATCH_CREATE, .batch = *batch};
    create.batch.account = queue->account;
    create.batch.batch_id = batch->batch_id ? xstrdup(batch->batch_id) : NULL;
    assert_int_equal(CHANGE(queue, catalogue_batch_create(queue->sql, &create, queue->now_ms)), 0);
    int64_t row = create.batch.row;
    batch_release(&create.batch);
    return row;
}

// --- What becomes of them

static int claim_apply(struct queue *queue, int64_t row)
{
    CLEANUP(free_ptr) char *spec = NULL;
    bool retry_on_lost;
    int err = catalogue_job_claimable(queue->sql, row);
    if (err == 0)
        err = change_outcome(queue, row, &(struct outcome_ask){.cause = OUTCOME_CLAIMED});
    if (err == 0)
        err = catalogue_job_claimed(queue->sql, row, STR("w1"), STR("host"), &spec, &retry_on_lost);
    if (err == 0)
        assert_string_equal(spec, "{\"command\":[\"true\"]}");
    return err;
}

int queue_claim(struct queue *queue, int64_t row)
{
    return CHANGE(queue, claim_apply(queue, row));
}

static int return_apply(struct queue *queue, int64_t row)
{
    const struct catalogue_changes changes = changes_of(queue);
    int err = change_outcome(queue, row, &(struct outcome_ask){.cause = OUTCOME_RETURNED});
    return err < 0 ? err : catalogue_job_returned(queue->sql, row, &changes);
}

int queue_return(struct queue *queue, int64_t row)
{
    return CHANGE(queue, return_apply(queue, row));
}

int queue_ask(struct queue *queue, int64_t row, const struct outcome_ask *ask)
{
    return CHANGE(queue, change_outcome(queue, row, ask));
}

int queue_finish(struct queue *queue, int64_t row, enum execution_status status, int exit_code)
{
    return queue_ask(
        queue, row,
        &(struct outcome_ask){
            .cause = OUTCOME_ENDED, .status = status, .has_exit_code = exit_code >= 0, .exit_code = exit_code});
}

static int cancel_apply(struct queue *queue, int64_t row)
{
    int err = catalogue_execution_cancel(queue->sql, row, STR("not wanted"));
    return err < 0 ? err : change_outcome(queue, row, &(struct outcome_ask){.cause = OUTCOME_CANCELLED});
}

int queue_cancel(struct queue *queue, int64_t row)
{
    return CHANGE(queue, cancel_apply(queue, row));
}

int queue_retry(struct queue *queue, int64_t row, int64_t *ret_row)
{
    const struct catalogue_changes changes = changes_of(queue);
    return CHANGE(queue, catalogue_job_retry(queue->sql, row, queue->now_ms, &changes, ret_row));
}

static int purge_apply(struct queue *queue, int64_t row)
{
    const struct catalogue_changes changes = changes_of(queue);
    int err = catalogue_job_settle_one(queue->sql, row, queue->now_ms, &changes);
    return err < 0 ? err : catalogue_execution_purge(queue->sql, row);
}

int queue_purge(struct queue *queue, int64_t row)
{
    return CHANGE(queue, purge_apply(queue, row));
}

int queue_change(struct queue *queue, struct store_batch_change *change)
{
    const struct catalogue_changes changes = changes_of(queue);
    change->op.kind = STORE_BATCH_CHANGE;
    return CHANGE(queue, catalogue_batch_change(queue->sql, change, queue->now_ms, &changes));
}

static unsigned settle(struct queue *queue, unsigned max)
{
    const struct catalogue_changes changes = changes_of(queue);
    struct store_job_settle settle = {.op.kind = STORE_JOB_SETTLE, .max = max};
    int err;
    do
        err = CHANGE(queue, catalogue_job_settle(queue->sql, &settle, queue->now_ms, &changes));
    while (err < 0 && sql_again(queue->sql)); // another connection was in the way
    assert_int_equal(err, 0);
    return settle.ret_settled;
}

unsigned queue_settle_once(struct queue *queue)
{
    return settle(queue, 1);
}

void queue_settle(struct queue *queue)
{
    for (unsigned rounds = 0; settle(queue, 0) > 0; rounds++)
        assert_true(rounds < 10000);
}

// --- Looking

struct execution queue_get(struct queue *queue, int64_t row)
{
    struct execution execution = {0};
    assert_int_equal(catalogue_execution_get(queue->sql, row, &execution), 0);
    return execution;
}

enum job_state queue_state(struct queue *queue, int64_t row)
{
    CLEANUP(execution_release) struct execution execution = queue_get(queue, row);
    assert_true(execution.job.is_job);
    return execution.job.state;
}

enum execution_status queue_status(struct queue *queue, int64_t row)
{
    CLEANUP(execution_release) struct execution execution = queue_get(queue, row);
    return execution.status;
}

int64_t queue_ask_number(struct queue *queue, const char *sql)
{
    int64_t number = 0;
    CLEANUP(sql_statement_free) struct sql_statement *statement = sql_prepare(queue->sql, sql);
    assert_int_equal(sql_number(statement, &number), 0);
    return number;
}

void queue_batch_cells(struct queue *queue, struct store_batch_cells *cells)
{
    cells->op.kind = STORE_BATCH_CELLS;
    assert_int_equal(catalogue_batch_cells(queue->sql, cells), 0);
}

struct batch queue_batch_get(struct queue *queue, int64_t row)
{
    struct batch batch = {0};
    assert_int_equal(catalogue_batch_get(queue->sql, row, &batch), 0);
    return batch;
}

size_t queue_line(struct queue *queue, const char *demand, int64_t *ret_rows, size_t max)
{
    struct store_jobs_ready ready = {
        .op.kind = STORE_JOBS_READY, .account = queue->account, .demand = str_of(demand), .limit = (unsigned)max};
    assert_int_equal(catalogue_jobs_ready(queue->sql, &ready), 0);
    for (size_t i = 0; i < ready.ret_count; i++)
        ret_rows[i] = ready.ret_jobs[i].row;
    return ready.ret_count;
}
