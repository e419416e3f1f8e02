// Settling: what follows from the ends of jobs. See docs/internals/jobs.md. The rules are values in model/.
#include "store/catalogue/jobs.h"

#define ENDINGS_MAX 256
#define STEPS_MAX   1024 // jobs that one transaction changes in addition to those that ended

struct settling {
    struct sql *sql;
    const struct catalogue_changes *changes;
    int64_t now_ms;
    unsigned budget; // steps that are left
    unsigned settled;
    struct store_job_settle *told; // what is over is given out there; NULL: it is not
};

static int ending_delete(const struct settling *it, enum ending_kind kind, int64_t subject)
{
    return run_with(it->sql, CATALOGUE_ENDING_DELETE, kind, subject);
}

int catalogue_job_unsettled(struct sql *sql, int64_t row, bool *ret)
{
    int64_t found;
    struct sql_statement *find = sql_statement(sql, CATALOGUE_ENDING_FIND);
    sql_bind_i64(find, 1, ENDING_EXECUTION);
    sql_bind_i64(find, 2, row);
    int err = sql_number(find, &found);
    *ret = err == 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

// --- A job that has ended

struct end {
    struct outcome outcome;
    bool cancel_asked;
};

static int end_load(struct sql *sql, int64_t row, struct end *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_JOB_END);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    *ret = (struct end){
        .outcome =
            {
                .sealed = sql_i64(find, 1) != 0,
                .has_exit_code = !sql_null(find, 2),
                .exit_code = (int)sql_i64(find, 2),
                .completed_ms = sql_i64(find, 3),
            },
        .cancel_asked = sql_i64(find, 4) != 0,
    };
    return status_parse(sql_text(find, 0), &ret->outcome.status) ? 0 : ERR_CORRUPT;
}

// Tells whether nobody wants another attempt of it.
static int is_unwanted(const struct settling *it, const struct job_row *job, const struct end *end, bool *ret)
{
    struct batch_row batch = {0};
    int err = job->batch != 0 ? batch_load(it->sql, job->batch, &batch) : 0;
    *ret = end->cancel_asked || batch.cancelled || batch.stopped;
    if (err < 0 || *ret)
        return err;
    err = catalogue_account_open(it->sql, job->account);
    *ret = err == ERR_EXPIRED;
    return err == ERR_EXPIRED ? 0 : err;
}

static int decide(const struct settling *it, const struct job_row *job, const struct end *end,
                  struct retry_verdict *ret)
{
    struct retry_rule rule;
    struct retry_attempt attempt = {.number = job->tries, .outcome = &end->outcome};
    *ret = (struct retry_verdict){0};
    int err = catalogue_job_rule(it->sql, job->execution, &rule);
    if (err < 0 || rule.retries == 0)
        return err;
    err = is_unwanted(it, job, end, &attempt.unwanted);
    *ret = retry_decide(&rule, &attempt);
    return err;
}

// If a worker's clock is ahead, the next attempt is not delayed by that.
static int64_t not_before(const struct settling *it, const struct end *end, int64_t delay_ms)
{
    int64_t ended_ms = end->outcome.completed_ms;
    return (ended_ms > 0 ? MIN(ended_ms, it->now_ms) : it->now_ms) + delay_ms;
}

static void give_out(struct store_job_settle *told, const struct parent_row *parent)
{
    if (told && told->ret_over_count < SETTLE_OVER_MAX)
        told->ret_over[told->ret_over_count++] = (struct parent_key){parent->kind == ENDING_BATCH, parent->row};
}

// Decides about what waits for it. The ending stays while there are more.
static int settle_dependents(struct settling *it, const struct parent_state *parent, int64_t subject)
{
    struct judged judged = {0};
    int err = dependents_judge(it->sql, parent, it->changes, &it->budget, &judged);
    if (err == 0 && judged.elsewhere)
        give_out(it->told, &parent->parent);
    return err < 0 || judged.left ? err : ending_delete(it, parent->parent.kind, subject);
}

static struct parent_state ended_as(int64_t row, const struct end *end)
{
    enum execution_status status = end->outcome.status;
    return (struct parent_state){.parent = {.kind = ENDING_EXECUTION, .row = row},
                                 .over = true,
                                 .failed = status != STATUS_COMPLETED,
                                 .ended = status};
}

static int settle_last(struct settling *it, struct job_row *job, const struct end *end)
{
    const struct parent_state parent = ended_as(job->root, end);
    bool may_come_back = end->outcome.status == STATUS_LOST && !end->outcome.sealed;
    job->state = may_come_back ? JOB_LOST : JOB_ENDED;
    int err = job_save(it->sql, job);
    if (err == 0)
        err = it->changes->changed(it->changes->arg, job->execution, job->batch, false);
    if (err < 0 || may_come_back)
        return err < 0 ? err : ending_delete(it, ENDING_EXECUTION, job->execution);
    return settle_dependents(it, &parent, job->execution);
}

static int settle_job(struct settling *it, struct job_row *job)
{
    struct end end;
    struct retry_verdict verdict = {0};
    int64_t row;
    int err = end_load(it->sql, job->execution, &end);
    if (err == 0 && job->state == JOB_ENDED) // some of those that wait for it are left
        return settle_last(it, job, &end);
    if (err == 0)
        err = decide(it, job, &end, &verdict);
    if (err < 0)
        return err;
    if (!verdict.again)
        return settle_last(it, job, &end);
    // Its runner may come back, and another attempt of it runs then.
    if (end.outcome.status == STATUS_LOST && !end.outcome.sealed)
        err = catalogue_execution_cancel(it->sql, job->execution, STR("it was lost, and is tried again"));
    if (err < 0)
        return err;
    err = attempt_make(it->sql, job, not_before(it, &end, verdict.delay_ms), job->tries + 1, it->now_ms, it->changes,
                       &row);
    return err < 0 ? err : ending_delete(it, ENDING_EXECUTION, job->execution);
}

static int settle_other(struct settling *it, int64_t row)
{
    struct end end;
    int err = end_load(it->sql, row, &end);
    if (err < 0)
        return err == ERR_NOT_FOUND ? ending_delete(it, ENDING_EXECUTION, row) : err;
    const struct parent_state parent = ended_as(row, &end);
    return settle_dependents(it, &parent, row);
}

static int settle_execution(struct settling *it, int64_t row)
{
    struct job_row job;
    int err = job_load(it->sql, row, &job);
    if (err < 0)
        return err == ERR_NOT_FOUND ? settle_other(it, row) : err;
    bool pending = (job.state == JOB_OVER || job.state == JOB_ENDED) && job.superseded_by == 0;
    err = pending ? settle_job(it, &job) : ending_delete(it, ENDING_EXECUTION, row);
    return err < 0 || job.batch == 0 ? err : batch_unsettled(it->sql, job.batch);
}

// --- A batch in which something has ended

static int members(const struct settling *it, enum catalogue_statement which, int64_t batch, int64_t *ret_rows,
                   unsigned max, size_t *ret_count)
{
    struct sql_statement *find = sql_statement(it->sql, which);
    sql_bind_i64(find, 1, batch);
    sql_bind_i64(find, 2, max);
    return rows_of(find, ret_rows, max, ret_count);
}

// Ends everything that is not claimed; of a cancelled batch also what was lost. *ret_left: there may be more.
static int end_unclaimed(struct settling *it, const struct batch_row *batch, bool *ret_left)
{
    int64_t rows[BATCH_SLICE];
    unsigned max = MIN(it->budget, (unsigned)BATCH_SLICE);
    size_t count = 0;
    int err = members(it, batch->cancelled ? CATALOGUE_BATCH_NOBODYS : CATALOGUE_BATCH_UNCLAIMED, batch->row, rows, max,
                      &count);
    for (size_t i = 0; i < count && err == 0; i++)
        err = job_end(it->sql, rows[i], batch->cancelled ? PLACE_CANCELLED : PLACE_STOPPED, it->changes);
    it->budget -= (unsigned)count;
    *ret_left = count == max;
    return err;
}

// Makes as many ready as there are places.
static int fill_places(struct settling *it, const struct batch_row *batch, bool *ret_left)
{
    int64_t rows[BATCH_SLICE], free_places = (int64_t)batch->limits.parallel - batch->active;
    size_t count = 0;
    *ret_left = false;
    if (batch->limits.parallel == 0 || free_places <= 0)
        return 0;
    unsigned max = MIN(it->budget, (unsigned)BATCH_SLICE);
    unsigned wanted = (unsigned)MIN(free_places, (int64_t)max);
    int err = members(it, CATALOGUE_BATCH_NEXT, batch->row, rows, wanted, &count);
    for (size_t i = 0; i < count && err == 0; i++) {
        struct job_row job;
        err = job_load(it->sql, rows[i], &job);
        if (err == 0)
            err = job_release(it->sql, &job, it->changes);
    }
    it->budget -= (unsigned)count;
    *ret_left = count == max;
    return err;
}

// Failures that may be tried again do not count before that is settled.
static int stop_if_due(const struct settling *it, struct batch_row *batch)
{
    int64_t row;
    bool due = false;
    int err = batch->stopped || batch->cancelled ? 0 : batch_fails_too_often(it->sql, batch, &due);
    if (err < 0 || !due)
        return err;
    struct sql_statement *over = sql_statement(it->sql, CATALOGUE_BATCH_IN_STATE);
    sql_bind_i64(over, 1, batch->row);
    sql_bind_i64(over, 2, JOB_OVER);
    sql_bind_i64(over, 3, 0);
    sql_bind_i64(over, 4, 1);
    err = sql_number(over, &row);
    if (err != ERR_NOT_FOUND)
        return err;
    batch->stopped = true;
    return batch_save(it->sql, batch);
}

static int settle_batch(struct settling *it, int64_t row)
{
    struct batch_row batch;
    bool left = false, over = false;
    int err = batch_load(it->sql, row, &batch);
    if (err < 0)
        return err == ERR_NOT_FOUND ? ending_delete(it, ENDING_BATCH, row) : err;
    err = stop_if_due(it, &batch);
    if (err == 0)
        err = batch.stopped || batch.cancelled ? end_unclaimed(it, &batch, &left) : fill_places(it, &batch, &left);
    if (err < 0 || left)
        return err;
    err = batch_load(it->sql, row, &batch);
    if (err == 0)
        err = batch_is_over(it->sql, &batch, &over);
    it->changes->batch_changed(it->changes->arg, batch.account, row, false);
    if (err < 0 || !over)
        return err < 0 ? err : ending_delete(it, ENDING_BATCH, row);
    const struct parent_state parent = {.parent = {.kind = ENDING_BATCH, .row = row},
                                        .over = true,
                                        .failed = batch.counts.of[STATUS_COMPLETED] < batch_total(&batch.counts),
                                        .ended = STATUS_COUNT};
    return settle_dependents(it, &parent, row);
}

// --- All of them

static int settle_due(struct settling *it)
{
    int64_t rows[BATCH_SLICE];
    size_t count = 0;
    struct sql_statement *due = sql_statement(it->sql, CATALOGUE_JOBS_DUE);
    sql_bind_i64(due, 1, it->now_ms);
    sql_bind_i64(due, 2, BATCH_SLICE);
    int err = rows_of(due, rows, BATCH_SLICE, &count);
    for (size_t i = 0; i < count && err == 0; i++) {
        struct job_row job;
        err = job_load(it->sql, rows[i], &job);
        if (err == 0)
            err = job_release(it->sql, &job, it->changes);
    }
    it->settled += (unsigned)count;
    return err;
}

static int settle_kind(struct settling *it, enum ending_kind kind, unsigned max)
{
    int64_t rows[ENDINGS_MAX];
    size_t count = 0;
    struct sql_statement *endings = sql_statement(it->sql, CATALOGUE_ENDINGS);
    sql_bind_i64(endings, 1, kind);
    sql_bind_i64(endings, 2, max);
    int err = rows_of(endings, rows, max, &count);
    for (size_t i = 0; i < count && err == 0 && it->budget > 0; i++, it->settled++)
        err = kind == ENDING_BATCH ? settle_batch(it, rows[i]) : settle_execution(it, rows[i]);
    return err;
}

int catalogue_job_settle(struct sql *sql, struct store_job_settle *settle, int64_t now_ms,
                         const struct catalogue_changes *changes)
{
    struct settling it = {.sql = sql, .changes = changes, .now_ms = now_ms, .budget = STEPS_MAX, .told = settle};
    unsigned max = settle->max > 0 ? MIN(settle->max, (unsigned)ENDINGS_MAX) : ENDINGS_MAX;
    settle->ret_over_count = 0;
    int err = settle_due(&it);
    if (err == 0)
        err = settle_kind(&it, ENDING_EXECUTION, max);
    if (err == 0)
        err = settle_kind(&it, ENDING_BATCH, max);
    if (err < 0)
        return err;
    settle->ret_settled = it.settled;
    settle->ret_next_due_ms = 0;
    err = sql_number(sql_statement(sql, CATALOGUE_JOB_NEXT_DUE), &settle->ret_next_due_ms);
    return err == ERR_NOT_FOUND ? 0 : err;
}

int catalogue_job_settle_one(struct sql *sql, int64_t row, int64_t now_ms, const struct catalogue_changes *changes)
{
    struct settling it = {.sql = sql, .changes = changes, .now_ms = now_ms};
    bool unsettled = true;
    int err = catalogue_job_unsettled(sql, row, &unsettled);
    while (err == 0 && unsettled) {
        it.budget = STEPS_MAX;
        err = settle_execution(&it, row);
        if (err == 0)
            err = catalogue_job_unsettled(sql, row, &unsettled);
    }
    return err;
}
