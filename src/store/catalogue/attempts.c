// Makes jobs: the first attempt with what it depends on, and each further attempt.
#include "store/catalogue/jobs.h"

// --- What a new job depends on

struct job_parents {
    size_t waits; // how many of them are not over yet
    struct parent_row rows[DEPENDENCIES_MAX];
    size_t count; // of all of them, also those that are over
    struct parent_row all[DEPENDENCIES_MAX];
    char *impossible; // why the job can never run; NULL: it may
};

void job_parents_free(struct job_parents **parents)
{
    if (*parents)
        free((*parents)->impossible);
    free(TAKE_PTR(*parents));
}

static int refuse(struct store_create *create, int err, const char *before, struct str id, const char *after)
{
    free_ptr(&create->ret_reason);
    create->ret_reason = xasprintf("%s\"%.*s\"%s", before, STR_ARGS(id), after);
    create->ret_field = "after";
    return err;
}

static int parent_judge(struct sql *sql, struct store_create *create, const struct job_parent *wanted,
                        struct job_parents *parents)
{
    struct parent_state state = {0};
    bool circle = false;
    int err = 0;
    if (wanted->elsewhere)
        state = parent_state_of(wanted->elsewhere);
    else
        err = parent_find(sql, create->execution.account, wanted->id, &state);
    state.parent.wish = wanted->wish;
    if (err == ERR_NOT_FOUND && create->execution.execution_id &&
        str_eq(wanted->id, str_of(create->execution.execution_id)))
        return refuse(create, ERR_INVALID, "it is ", wanted->id, " itself, and would wait for ever");
    if (err == ERR_NOT_FOUND)
        return refuse(create, err, "there is no execution and no batch ", wanted->id, " that it could wait for");
    enum dependency_verdict verdict = err == 0 ? dependency_judge(wanted->wish, state.over, state.failed) : 0;
    if (err == 0 && verdict == DEPENDENCY_WAITS && create->job->batch != 0)
        err = batch_waits_for(sql, create->job->batch, &state.parent, &circle);
    if (circle || (wanted->circle && verdict == DEPENDENCY_WAITS))
        return refuse(create, ERR_INVALID, "it would wait for ", wanted->id, ", which waits for its batch");
    if (err < 0)
        return err;
    parents->all[parents->count++] = state.parent;
    if (verdict == DEPENDENCY_WAITS)
        parents->rows[parents->waits++] = state.parent;
    if (verdict != DEPENDENCY_IMPOSSIBLE || parents->impossible)
        return 0;
    CLEANUP(buf_release) struct buf reason = {0};
    dependency_reason(wanted->wish, wanted->id, state.parent.kind == ENDING_BATCH, state.ended, &reason);
    parents->impossible = buf_take(&reason);
    return 0;
}

static int secrets_judge(struct sql *sql, struct store_create *create)
{
    struct str rest = create->job->secrets, name, variable;
    int err = 0;
    while (rest.len > 0 && err == 0) {
        if (!secret_use_parse(str_split(&rest, ' '), &name, &variable))
            return ERR_INVALID;
        if (create->job->secrets_asked)
            err = str_eq(name, create->job->secret_missing) ? ERR_NOT_FOUND : 0;
        else if (!secret_is_run_token(name))
            err = catalogue_secret_exists(sql, create->execution.account, name);
        if (err == ERR_NOT_FOUND)
            refuse(create, err, "there is no secret ", name, "; `runnel secret set` makes one");
    }
    if (err == ERR_NOT_FOUND)
        create->ret_field = "secrets";
    return err;
}

int catalogue_job_judge(struct sql *sql, struct store_create *create, struct job_parents **ret)
{
    const struct job_new *job = create->job;
    *ret = xcalloc(1, sizeof(**ret));
    if (job->parent_count > DEPENDENCIES_MAX || job->demand.len > DEMAND_TEXT_MAX || job->retry.retries > RETRIES_MAX)
        return ERR_TOO_LARGE;
    int err = create->execution.status == STATUS_QUEUED ? 0 : ERR_INVALID;
    for (size_t i = 0; i < job->parent_count && err == 0; i++)
        err = parent_judge(sql, create, &job->parents[i], *ret);
    return err < 0 ? err : secrets_judge(sql, create);
}

// --- The first attempt

static int parent_insert(struct sql *sql, enum catalogue_statement into, int64_t child, const struct parent_row *parent,
                         uint64_t *ret_changes)
{
    struct sql_statement *insert = sql_statement(sql, into);
    sql_bind_i64(insert, 1, child);
    sql_bind_i64(insert, 2, parent->kind);
    sql_bind_i64(insert, 3, parent->row);
    sql_bind_i64(insert, 4, parent->wish);
    return sql_run(insert, ret_changes);
}

static int parents_insert(struct sql *sql, int64_t child, const struct job_parents *parents, int64_t *ret_count)
{
    int err = 0;
    *ret_count = 0;
    for (size_t i = 0; i < parents->waits && err == 0; i++) {
        uint64_t changes = 0;
        err = parent_insert(sql, CATALOGUE_DEPENDENCY_INSERT, child, &parents->rows[i], &changes);
        *ret_count += (int64_t)changes; // the same one twice counts once
    }
    return err;
}

static int links_insert(struct sql *sql, int64_t child, const struct job_parents *parents)
{
    int err = 0;
    for (size_t i = 0; i < parents->count && err == 0; i++)
        err = parent_insert(sql, CATALOGUE_LINK_INSERT, child, &parents->all[i], NULL);
    return err;
}

static int job_insert(struct sql *sql, const struct job_row *job, const struct job_new *made)
{
    CLEANUP(buf_release) struct buf words = {0};
    retry_rule_append(&made->retry, &words);
    const int64_t numbers[] = {job->execution,   job->account,       job->state,          job->rank,
                               job->turn,        job->waits_for,     job->root,           job->attempt,
                               job->tries,       job->retry_of,      job->superseded_by,  job->batch,
                               job->batch_index, job->not_before_ms, job->failed_ms,      job->rate_micros,
                               made->timeout_ms, made->trusted,      made->retry.retries, made->retry.delay_ms};
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_JOB_INSERT);
    for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
        sql_bind_i64(insert, (int)i + 1, numbers[i]);
    sql_bind_text(insert, (int)ARRAY_LEN(numbers) + 1, str_of(buf_cstr(&words)));
    sql_bind_text(insert, (int)ARRAY_LEN(numbers) + 2, made->demand);
    sql_bind_text(insert, (int)ARRAY_LEN(numbers) + 3, made->secrets.len > 0 ? made->secrets : (struct str){0});
    return sql_run(insert, NULL);
}

static int job_skip(struct sql *sql, int64_t row, struct str reason, const struct catalogue_changes *changes)
{
    int err = catalogue_job_reason(sql, row, reason);
    return err < 0 ? err : changes->end(changes->arg, row, OUTCOME_SKIPPED);
}

int catalogue_job_create(struct sql *sql, const struct store_create *create, const struct job_parents *parents,
                         const struct catalogue_changes *changes)
{
    const struct job_new *made = create->job;
    struct job_row job = {
        .execution = create->execution.row,
        .account = create->execution.account,
        .rank = -(int64_t)made->priority,
        .root = create->execution.row,
        .attempt = 1,
        .tries = 1,
        .batch = made->batch,
        .batch_index = made->batch_index,
        .rate_micros = made->rate_micros,
    };
    enum placement placement = PLACED;
    bool never = parents->impossible != NULL;
    int err = links_insert(sql, job.execution, parents);
    if (err == 0 && !never)
        err = parents_insert(sql, job.execution, parents, &job.waits_for);
    if (err == 0)
        err = job_place(sql, &job, made->demand, &(struct batch_move){.from = STATUS_COUNT, .to = STATUS_QUEUED},
                        &placement);
    if (err == 0)
        err = job_insert(sql, &job, made);
    if (err == 0)
        err = changes->changed(changes->arg, job.execution, job.batch, job.state == JOB_READY && !never);
    if (err == 0 && never)
        return job_skip(sql, job.execution, str_of(parents->impossible), changes);
    return err < 0 || placement == PLACED ? err : job_end(sql, job.execution, placement, changes);
}

// --- Further attempts

static int execution_again(struct sql *sql, int64_t row, int64_t now_ms, int64_t *ret_row)
{
    char id[ID_SORTABLE_LEN + 1], name[ID_SORTABLE_LEN + 8];
    id_sortable(now_ms, id);
    snprintf(name, sizeof(name), "exec_%s", id);
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_EXECUTION_AGAIN);
    sql_bind_i64(insert, 1, row);
    sql_bind_text(insert, 2, str_of(name));
    sql_bind_i64(insert, 3, now_ms);
    sql_bind_null(insert, 4, SQL_INTEGER); // it gets a new identifier
    int err = sql_insert(insert, ret_row);
    if (err == 0)
        err = run_with(sql, CATALOGUE_DOCUMENT_AGAIN, row, *ret_row);
    if (err == 0)
        err = inputs_copy(sql, row, *ret_row);
    if (err == 0)
        err = catalogue_run_copy(sql, row, *ret_row);
    return err < 0 ? err : run_with(sql, CATALOGUE_LABELS_AGAIN, row, *ret_row);
}

static int job_insert_again(struct sql *sql, int64_t from, const struct job_row *job)
{
    struct sql_statement *insert = sql_statement(sql, CATALOGUE_JOB_INSERT_AGAIN);
    sql_bind_i64(insert, 1, job->execution);
    sql_bind_i64(insert, 2, from);
    sql_bind_i64(insert, 3, job->state);
    sql_bind_i64(insert, 4, job->turn);
    sql_bind_i64(insert, 5, job->tries);
    sql_bind_i64(insert, 6, job->not_before_ms);
    return sql_run(insert, NULL);
}

// In the counts of its batch, only the newest attempt counts.
static int supersede(struct sql *sql, struct job_row *job, int64_t by, enum execution_status status)
{
    struct batch_row batch;
    int err = job->batch != 0 ? batch_load(sql, job->batch, &batch) : 0;
    if (err == 0 && job->batch != 0) {
        batch_count(&batch.counts, &(struct batch_move){.from = status, .to = STATUS_COUNT});
        err = batch_save(sql, &batch);
    }
    job->state = JOB_ENDED;
    job->superseded_by = by;
    job->failed_ms = 0;
    return err < 0 ? err : job_save(sql, job);
}

int attempt_make(struct sql *sql, struct job_row *job, int64_t not_before_ms, unsigned tries, int64_t now_ms,
                 const struct catalogue_changes *changes, int64_t *ret_row)
{
    CLEANUP(free_ptr) char *demand = NULL;
    struct job_row next = *job;
    enum execution_status status;
    enum placement placement = PLACED;
    bool sealed;
    int err = execution_end(sql, job->execution, &status, &sealed);
    if (err == 0)
        err = text_of(sql, CATALOGUE_JOB_DEMAND, job->execution, &demand);
    if (err == 0)
        err = execution_again(sql, job->execution, now_ms, &next.execution);
    if (err == 0)
        err = supersede(sql, job, next.execution, status);
    next.tries = tries;
    next.not_before_ms = not_before_ms > now_ms ? not_before_ms : 0;
    next.state = next.not_before_ms ? JOB_DELAYED : JOB_HELD;
    next.turn = next.waits_for = 0;
    if (err == 0)
        err = job_place(sql, &next, str_of(demand), &(struct batch_move){.from = STATUS_COUNT, .to = STATUS_QUEUED},
                        &placement);
    if (err == 0)
        err = job_insert_again(sql, job->execution, &next);
    if (err == 0)
        err = changes->changed(changes->arg, job->execution, job->batch, false);
    if (err == 0)
        err = changes->made(changes->arg, next.execution);
    if (err == 0)
        err = changes->changed(changes->arg, next.execution, next.batch, next.state == JOB_READY);
    *ret_row = next.execution;
    return err < 0 || placement == PLACED ? err : job_end(sql, next.execution, placement, changes);
}

static int batch_goes_on(struct sql *sql, int64_t row)
{
    struct batch_row batch;
    int err = batch_load(sql, row, &batch);
    if (err < 0 || (!batch.cancelled && !batch.stopped))
        return err;
    batch.cancelled = batch.stopped = false;
    return batch_save(sql, &batch);
}

int catalogue_job_retry(struct sql *sql, int64_t row, int64_t now_ms, const struct catalogue_changes *changes,
                        int64_t *ret_row)
{
    struct job_row job;
    enum execution_status status;
    bool sealed;
    int err = job_load(sql, row, &job);
    if (err < 0)
        return err;
    if (job.state < JOB_LOST || job.superseded_by != 0)
        return ERR_CONFLICT;
    err = execution_end(sql, row, &status, &sealed);
    if (err < 0)
        return err;
    // Its runner may not know that it counts as lost.
    bool may_run = status == STATUS_LOST && !sealed;
    if (may_run)
        err = catalogue_execution_cancel(sql, row, STR("it was lost, and queued again"));
    if (err == 0 && job.batch != 0)
        err = batch_goes_on(sql, job.batch);
    int64_t not_before_ms = may_run ? now_ms + RETRY_LOST_MARGIN_MS : 0;
    return err < 0 ? err : attempt_make(sql, &job, not_before_ms, 1, now_ms, changes, ret_row);
}
