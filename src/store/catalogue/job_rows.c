// Reads, writes and deletes the rows of jobs; and small statements.
#include "store/catalogue/jobs.h"

// --- Small statements

int number_of(struct sql *sql, enum catalogue_statement id, int64_t of, int64_t *ret)
{
    struct sql_statement *statement = sql_statement(sql, id);
    sql_bind_i64(statement, 1, of);
    return sql_number(statement, ret);
}

int text_of(struct sql *sql, enum catalogue_statement id, int64_t of, char **ret)
{
    CLEANUP(sql_reset) struct sql_statement *statement = sql_statement(sql, id);
    sql_bind_i64(statement, 1, of);
    int rc = sql_row(statement);
    if (rc == 1)
        *ret = sql_dup(statement, 0);
    return rc == 1 ? 0 : rc < 0 ? rc : ERR_NOT_FOUND;
}

int run_of(struct sql *sql, enum catalogue_statement id, int64_t of)
{
    struct sql_statement *statement = sql_statement(sql, id);
    sql_bind_i64(statement, 1, of);
    return sql_run(statement, NULL);
}

int run_with(struct sql *sql, enum catalogue_statement id, int64_t first, int64_t second)
{
    struct sql_statement *statement = sql_statement(sql, id);
    sql_bind_i64(statement, 1, first);
    sql_bind_i64(statement, 2, second);
    return sql_run(statement, NULL);
}

int rows_of(struct sql_statement *statement, int64_t *ret_rows, size_t max, size_t *ret_count)
{
    int rc = 1;
    *ret_count = 0;
    while (*ret_count < max && (rc = sql_row(statement)) == 1)
        ret_rows[(*ret_count)++] = sql_i64(statement, 0);
    sql_reset(&statement);
    return MIN(rc, 0);
}

// --- Rows

static int job_read(struct sql *sql, enum catalogue_statement how, int64_t execution, struct job_row *ret)
{
    CLEANUP(sql_reset) struct sql_statement *row = sql_statement(sql, how);
    sql_bind_i64(row, 1, execution);
    int rc = sql_row(row);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_NOT_FOUND;
    *ret = (struct job_row){
        .execution = sql_i64(row, 0),
        .account = sql_i64(row, 1),
        .state = (enum job_state)sql_i64(row, 2),
        .rank = sql_i64(row, 3),
        .turn = sql_i64(row, 4),
        .waits_for = sql_i64(row, 5),
        .root = sql_i64(row, 6),
        .attempt = (unsigned)sql_i64(row, 7),
        .tries = (unsigned)sql_i64(row, 8),
        .retry_of = sql_i64(row, 9),
        .superseded_by = sql_i64(row, 10),
        .batch = sql_i64(row, 11),
        .batch_index = sql_i64(row, 12),
        .not_before_ms = sql_i64(row, 13),
        .failed_ms = sql_i64(row, 14),
        .rate_micros = sql_i64(row, 15),
    };
    return 0;
}

int job_load(struct sql *sql, int64_t execution, struct job_row *ret)
{
    return job_read(sql, CATALOGUE_JOB_GET, execution, ret);
}

int job_load_held(struct sql *sql, int64_t execution, struct job_row *ret)
{
    return job_read(sql, CATALOGUE_JOB_HELD, execution, ret);
}

int job_save(struct sql *sql, const struct job_row *job)
{
    struct sql_statement *set = sql_statement(sql, CATALOGUE_JOB_SET);
    sql_bind_i64(set, 1, job->execution);
    sql_bind_i64(set, 2, job->state);
    sql_bind_i64(set, 3, job->turn);
    sql_bind_i64(set, 4, job->waits_for);
    sql_bind_i64(set, 5, job->superseded_by);
    sql_bind_i64(set, 6, job->not_before_ms);
    sql_bind_i64(set, 7, job->failed_ms);
    return sql_run(set, NULL);
}

int catalogue_job_reason(struct sql *sql, int64_t execution, struct str reason)
{
    struct sql_statement *set = sql_statement(sql, CATALOGUE_JOB_REASON);
    sql_bind_i64(set, 1, execution);
    sql_bind_text(set, 2, reason);
    return sql_run(set, NULL);
}

void job_view_from_row(const struct sql_statement *row, int column, struct job_view *ret)
{
    *ret = (struct job_view){.is_job = !sql_null(row, column)};
    if (!ret->is_job)
        return;
    ret->state = (enum job_state)sql_i64(row, column);
    ret->attempt = (unsigned)sql_i64(row, column + 1);
    ret->retries = (unsigned)sql_i64(row, column + 2);
    ret->priority = (int)-sql_i64(row, column + 3);
    ret->batch = sql_i64(row, column + 4);
    ret->batch_index = (uint32_t)sql_i64(row, column + 5);
    ret->timeout_ms = sql_i64(row, column + 6);
    ret->not_before_ms = sql_i64(row, column + 7);
    ret->rate_micros = sql_i64(row, column + 8);
    ret->trusted = sql_i64(row, column + 9) != 0;
    char **const texts[] = {&ret->demand, &ret->reason, &ret->retry_of, &ret->retried_as, &ret->secrets};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        *texts[i] = sql_dup(row, column + 10 + (int)i);
}

// --- Forgetting a job

int catalogue_job_purge(struct sql *sql, int64_t row)
{
    struct job_row job;
    int err = job_load(sql, row, &job);
    if (err < 0)
        return err == ERR_NOT_FOUND ? 0 : err;
    if (job.retry_of != 0 && job.superseded_by != 0) // this closes the gap in the chain of attempts
        err = run_with(sql, CATALOGUE_JOB_RELINK, job.retry_of, job.superseded_by);
    if (err == 0)
        err = run_of(sql, CATALOGUE_DEPENDENCIES_DELETE, row);
    if (err == 0)
        err = run_of(sql, CATALOGUE_LINKS_DELETE, row);
    if (err == 0)
        err = run_with(sql, CATALOGUE_ENDING_DELETE, ENDING_EXECUTION, row);
    if (err == 0)
        err = run_of(sql, CATALOGUE_JOB_DELETE, row);
    return err < 0 || job.batch == 0 ? err : run_of(sql, CATALOGUE_BATCH_EMPTIED, job.batch);
}
