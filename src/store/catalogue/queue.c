// Looks at the queue: its lines, their first jobs, and why a job waits.
#include "store/catalogue/jobs.h"

int catalogue_jobs_ready(struct sql *sql, struct store_jobs_ready *query)
{
    unsigned limit = query->limit > 0 ? MIN(query->limit, (unsigned)JOBS_READY_MAX) : JOBS_READY_MAX;
    CLEANUP(sql_reset) struct sql_statement *ready = sql_statement(sql, CATALOGUE_LINE_READY);
    sql_bind_i64(ready, 1, query->account);
    sql_bind_text(ready, 2, query->demand);
    sql_bind_i64(ready, 3, limit);
    int rc = 1;
    query->ret_count = 0;
    while (query->ret_count < limit && (rc = sql_row(ready)) == 1)
        query->ret_jobs[query->ret_count++] = (struct job_brief){
            .row = sql_i64(ready, 0), .turn = sql_i64(ready, 1), .priority = (int)-sql_i64(ready, 2)};
    return MIN(rc, 0);
}

// One seek for each line, however many jobs wait in it.
int catalogue_job_lines(struct sql *sql, struct store_job_lines *query)
{
    unsigned limit = query->limit > 0 ? MIN(query->limit, (unsigned)JOB_LINES_MAX) : JOB_LINES_MAX;
    int64_t account = query->after_account;
    struct str demand = query->after_demand.data ? query->after_demand : STR("");
    int rc = 1;
    query->ret_lines = xcalloc(limit, sizeof(*query->ret_lines));
    query->ret_count = 0;
    while (query->ret_count < limit && rc == 1) {
        CLEANUP(sql_reset) struct sql_statement *next = sql_statement(sql, CATALOGUE_LINE_NEXT);
        sql_bind_i64(next, 1, account);
        sql_bind_text(next, 2, demand);
        rc = sql_row(next);
        if (rc != 1)
            break;
        struct job_line *line = &query->ret_lines[query->ret_count++];
        *line = (struct job_line){sql_i64(next, 0), sql_dup(next, 1)};
        account = line->account;
        demand = str_of(line->demand);
    }
    return MIN(rc, 0);
}

// Leases are few; executions that a worker had are many.
int catalogue_jobs_claimed(struct sql *sql, struct store_jobs_claimed *query)
{
    CLEANUP(sql_reset) struct sql_statement *claimed = sql_statement(sql, CATALOGUE_JOBS_CLAIMED);
    sql_bind_i64(claimed, 1, query->node);
    sql_bind_text(claimed, 2, query->worker_id);
    sql_bind_i64(claimed, 3, query->account);
    sql_bind_i64(claimed, 4, JOBS_CLAIMED_MAX);
    sql_bind_i64(claimed, 5, LEASE_RUNNER);
    sql_bind_i64(claimed, 6, query->after);
    size_t size = 0;
    int rc = 1;
    query->ret_count = 0;
    while (query->ret_count < JOBS_CLAIMED_MAX && (rc = sql_row(claimed)) == 1) {
        if (query->ret_count == size) {
            size = size ? size * 2 : 16;
            query->ret_jobs = xrealloc(query->ret_jobs, size * sizeof(*query->ret_jobs));
        }
        query->ret_jobs[query->ret_count++] = (struct job_claimed){
            .row = sql_i64(claimed, 0),
            .account = sql_i64(claimed, 1),
            .epoch = sql_u64(claimed, 2),
            .lost = sql_i64(claimed, 3) != JOB_CLAIMED,
            .has_records = sql_i64(claimed, 4) > 0,
            .execution_id = sql_dup(claimed, 5),
            .demand = sql_dup(claimed, 6),
        };
    }
    return MIN(rc, 0);
}

// --- Why a job waits

static int view_load(struct sql *sql, int64_t row, struct job_view *ret)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(sql, CATALOGUE_JOB_VIEW);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    *ret = (struct job_view){0};
    if (rc == 1)
        job_view_from_row(find, 0, ret);
    return MIN(rc, 0);
}

static int turn_of(struct sql *sql, int64_t row, int64_t *ret)
{
    return number_of(sql, CATALOGUE_JOB_TURN, row, ret);
}

static int before_count(struct sql *sql, struct store_job_waits *query, int64_t account)
{
    int64_t turn = 0, count = 0;
    int err = turn_of(sql, query->row, &turn);
    if (err < 0)
        return err;
    struct sql_statement *before = sql_statement(sql, CATALOGUE_LINE_BEFORE);
    sql_bind_i64(before, 1, account);
    sql_bind_text(before, 2, str_of(query->ret_job.demand));
    sql_bind_i64(before, 3, -(int64_t)query->ret_job.priority);
    sql_bind_i64(before, 4, turn);
    sql_bind_i64(before, 5, query->row);
    err = sql_number(before, &count);
    query->ret_before = (uint64_t)count;
    return err;
}

static int parents_look(struct sql *sql, struct store_job_waits *query)
{
    int64_t count = 0;
    int err = number_of(sql, CATALOGUE_DEPENDENCIES_COUNT, query->row, &count);
    query->ret_parents = (unsigned)count;
    if (err < 0 || count == 0)
        return err;
    CLEANUP(sql_reset) struct sql_statement *first = sql_statement(sql, CATALOGUE_DEPENDENCY_FIRST);
    sql_bind_i64(first, 1, query->row);
    int rc = sql_row(first);
    if (rc <= 0)
        return rc;
    bool batch = sql_i64(first, 0) == ENDING_BATCH;
    if (sql_i64(first, 1) >= PARENT_ELSEWHERE) {
        query->ret_elsewhere = (struct parent_key){batch, sql_i64(first, 1)};
        return 0;
    }
    err = text_of(sql, batch ? CATALOGUE_BATCH_NAME : CATALOGUE_EXECUTION_NAME, sql_i64(first, 1), &query->ret_parent);
    return err == ERR_NOT_FOUND ? 0 : err;
}

static int places_look(struct sql *sql, struct store_job_waits *query)
{
    CLEANUP(sql_reset) struct sql_statement *places = sql_statement(sql, CATALOGUE_BATCH_PLACES);
    sql_bind_i64(places, 1, query->ret_job.batch);
    int rc = sql_row(places);
    if (rc <= 0)
        return rc;
    query->ret_batch_parallel = (unsigned)sql_i64(places, 0);
    query->ret_batch_active = query->ret_batch_parallel > 0 ? sql_u64(places, 1) : 0;
    return 0;
}

int catalogue_job_waits(struct sql *sql, struct store_job_waits *query)
{
    int64_t account = 0;
    int err = number_of(sql, CATALOGUE_JOB_ACCOUNT, query->row, &account);
    if (err < 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    err = view_load(sql, query->row, &query->ret_job);
    if (err == 0 && query->ret_job.state == JOB_READY)
        err = before_count(sql, query, account);
    if (err == 0 && query->ret_job.state == JOB_HELD)
        err = parents_look(sql, query);
    if (err == 0 && query->ret_job.batch != 0)
        err = places_look(sql, query);
    return err;
}
