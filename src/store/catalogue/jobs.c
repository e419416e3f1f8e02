// Jobs: their place in the queue, and what the changes of their executions do to them.
#include "store/catalogue/jobs.h"

#include "model/cost.h"

int catalogue_job_batch(struct sql *sql, int64_t row, int64_t *ret)
{
    return number_of(sql, CATALOGUE_JOB_BATCH, row, ret);
}

int catalogue_jobs_queued(struct sql *sql, int64_t account, uint64_t *ret_count)
{
    int64_t count = 0;
    int err = number_of(sql, CATALOGUE_JOBS_QUEUED, account, &count);
    *ret_count = (uint64_t)count;
    return err;
}

// --- The place in a line: the virtual time of a fair queue. A single job comes before the next one of a batch.

#define TURN_SINGLE 1
#define TURN_BATCH  2

// Returns the turn of the first job in the line. What comes after it has that turn plus one.
static int line_turn(struct sql *sql, const struct job_row *job, struct str demand, int64_t *ret)
{
    struct sql_statement *first = sql_statement(sql, CATALOGUE_LINE_TURN);
    sql_bind_i64(first, 1, job->account);
    sql_bind_text(first, 2, demand);
    sql_bind_i64(first, 3, job->rank);
    int err = sql_number(first, ret);
    if (err == ERR_NOT_FOUND)
        *ret = 0;
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int place_in_batch(struct sql *sql, struct job_row *job, int64_t turn, const struct batch_move *move,
                          enum placement *ret)
{
    struct batch_row batch;
    int err = batch_load(sql, job->batch, &batch);
    if (err < 0)
        return err;
    if (move)
        batch_count(&batch.counts, move);
    *ret = batch.cancelled ? PLACE_CANCELLED : batch.stopped ? PLACE_STOPPED : PLACED;
    bool full = batch.limits.parallel > 0 && batch.active >= batch.limits.parallel;
    if (job->state == JOB_READY && *ret == PLACED && !full) {
        batch.turn = job->turn = MAX(turn, batch.turn) + TURN_BATCH;
        batch.active++;
    } else if (job->state == JOB_READY) {
        job->state = JOB_HELD;
    }
    return batch_save(sql, &batch);
}

int job_place(struct sql *sql, struct job_row *job, struct str demand, const struct batch_move *move,
              enum placement *ret)
{
    int64_t turn = 0;
    *ret = PLACED;
    if (job->state != JOB_DELAYED)
        job->state = job->waits_for > 0 ? JOB_HELD : JOB_READY;
    int err = job->state == JOB_READY ? line_turn(sql, job, demand, &turn) : 0;
    if (err < 0)
        return err;
    if (job->batch != 0)
        return place_in_batch(sql, job, turn, move, ret);
    job->turn = job->state == JOB_READY ? turn + TURN_SINGLE : 0;
    return 0;
}

int job_end(struct sql *sql, int64_t execution, enum placement why, const struct catalogue_changes *changes)
{
    if (why == PLACE_CANCELLED)
        return changes->end(changes->arg, execution, OUTCOME_CANCELLED);
    int err = catalogue_job_reason(sql, execution, STR("its batch was stopped, as too many of its jobs failed"));
    return err < 0 ? err : changes->end(changes->arg, execution, OUTCOME_SKIPPED);
}

int job_release(struct sql *sql, struct job_row *job, const struct catalogue_changes *changes)
{
    CLEANUP(free_ptr) char *demand = NULL;
    enum placement placement = PLACED;
    job->state = JOB_HELD;
    job->not_before_ms = 0;
    int err = text_of(sql, CATALOGUE_JOB_DEMAND, job->execution, &demand);
    if (err == 0)
        err = job_place(sql, job, str_of(demand), NULL, &placement);
    if (err == 0)
        err = job_save(sql, job);
    if (err == 0 && placement != PLACED)
        return job_end(sql, job->execution, placement, changes);
    return err < 0 ? err : changes->changed(changes->arg, job->execution, job->batch, job->state == JOB_READY);
}

// --- What happens to the execution

static int count_in_batch(struct sql *sql, const struct job_row *job, enum job_state was, const struct outcome *before,
                          const struct outcome *after)
{
    struct batch_row batch;
    int err = batch_load(sql, job->batch, &batch);
    if (err < 0)
        return err;
    batch.active += job_takes_place(job->state) - job_takes_place(was);
    batch_count(&batch.counts,
                &(struct batch_move){
                    .from = before->status,
                    .to = after->status,
                    .started_ms = before->started_ms ? before->started_ms : after->started_ms,
                    .ended_ms = after->completed_ms,
                    .cost_micros = cost_micros(after->completed_ms - after->started_ms, job->rate_micros),
                });
    return batch_save(sql, &batch);
}

static int outcome_of_parent(struct sql *sql, int64_t row, const struct outcome *before, const struct outcome *after,
                             struct job_effect *ret)
{
    uint64_t changes = 0;
    if (!outcome_over(after) || (outcome_over(before) && before->status == after->status))
        return 0;
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_ENDING_OF_PARENT);
    sql_bind_i64(insert, 1, row);
    int err = sql_run(insert, &changes);
    ret->unsettled = changes > 0;
    return err;
}

static int64_t failed_at(const struct job_row *job, const struct outcome *after, int64_t now_ms)
{
    if (!batch_counts_as_failed(after->status))
        return 0;
    return job->failed_ms ? job->failed_ms : after->completed_ms ? after->completed_ms : now_ms;
}

int catalogue_job_outcome(struct sql *sql, int64_t row, const struct outcome *before, const struct outcome *after,
                          int64_t now_ms, struct job_effect *ret)
{
    struct job_row job;
    *ret = (struct job_effect){0};
    int err = job_load(sql, row, &job);
    if (err < 0)
        return err == ERR_NOT_FOUND ? outcome_of_parent(sql, row, before, after, ret) : err;
    ret->is_job = true;
    if (job.superseded_by != 0)
        return 0; // it does not count any more
    struct job_step step = job_step(job.state, before, after);
    enum job_state was = job.state;
    job.state = step.state;
    ret->batch = job.batch;
    ret->ready = step.state == JOB_READY && was != JOB_READY;
    ret->unsettled = step.ends;
    ret->queued = (step.state < JOB_CLAIMED) - (was < JOB_CLAIMED);
    job.failed_ms = failed_at(&job, after, now_ms);
    if (job.batch != 0)
        err = count_in_batch(sql, &job, was, before, after);
    if (err == 0 && step.ends)
        err = run_with(sql, CATALOGUE_ENDING_INSERT, ENDING_EXECUTION, row);
    if (err == 0 && step.ends && job.waits_for > 0) {
        job.waits_for = 0;
        err = run_of(sql, CATALOGUE_DEPENDENCIES_DELETE, row);
    }
    return err < 0 ? err : job_save(sql, &job);
}

// --- Claims

int catalogue_job_claimable(struct sql *sql, int64_t row)
{
    struct job_row job;
    struct batch_row batch;
    int err = job_load(sql, row, &job);
    if (err == 0 && job.state != JOB_READY)
        return ERR_CONFLICT;
    if (err < 0 || job.batch == 0)
        return err;
    err = batch_load(sql, job.batch, &batch);
    // Until it is settled whether failed jobs will be tried again, too many failures hold back the others.
    bool stops = batch.stopped || batch.cancelled;
    if (err == 0 && !stops)
        err = batch_fails_too_often(sql, &batch, &stops);
    return err < 0 ? err : stops ? ERR_CONFLICT : 0;
}

static int rule_load(struct sql *sql, int64_t row, struct retry_rule *ret, unsigned *ret_tries)
{
    CLEANUP(sql_reset) struct sql_statement *rule = sql_statement(sql, CATALOGUE_JOB_RULE);
    sql_bind_i64(rule, 1, row);
    int rc = sql_row(rule);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    *ret = (struct retry_rule){.retries = (unsigned)sql_i64(rule, 0), .delay_ms = sql_i64(rule, 1)};
    *ret_tries = (unsigned)sql_i64(rule, 3);
    return retry_rule_parse(sql_text(rule, 2), ret) ? 0 : ERR_CORRUPT;
}

int catalogue_job_claimed(struct sql *sql, int64_t row, struct str worker_id, struct str hostname, char **ret_spec,
                          bool *ret_retry_on_lost)
{
    struct retry_rule rule;
    unsigned tries;
    const struct store_claim claim = {.row = row, .worker_id = worker_id, .worker_hostname = hostname};
    int err = catalogue_execution_claimed(sql, &claim, 0);
    if (err == 0)
        err = rule_load(sql, row, &rule, &tries);
    *ret_retry_on_lost = err == 0 && retry_after_lost(&rule, tries);
    if (err == 0)
        err = text_of(sql, CATALOGUE_DOCUMENT_SPEC, row, ret_spec);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int wanted_by_batch(struct sql *sql, int64_t row, enum placement *ret)
{
    struct batch_row batch;
    int err = row != 0 ? batch_load(sql, row, &batch) : 0;
    if (err == 0 && row != 0)
        *ret = batch.cancelled ? PLACE_CANCELLED : batch.stopped ? PLACE_STOPPED : *ret;
    return err;
}

int catalogue_job_returned(struct sql *sql, int64_t row, const struct catalogue_changes *changes)
{
    struct job_row job;
    enum placement placement = PLACED;
    int64_t asked;
    int err = job_load(sql, row, &job);
    if (err == 0)
        err = run_of(sql, CATALOGUE_EXECUTION_NO_WORKER, row);
    if (err == 0)
        err = number_of(sql, CATALOGUE_CANCEL_ASKED, row, &asked);
    if (err == 0)
        err = wanted_by_batch(sql, job.batch, &placement);
    if (err == 0 && (asked || job.superseded_by != 0))
        placement = PLACE_CANCELLED;
    if (err < 0 || (placement == PLACED && job.state != JOB_HELD))
        return err;
    return placement == PLACED ? job_release(sql, &job, changes) : job_end(sql, row, placement, changes);
}

int catalogue_job_rule(struct sql *sql, int64_t row, struct retry_rule *ret)
{
    unsigned tries;
    return rule_load(sql, row, ret, &tries);
}
