// Queries about jobs, batches and workers. The catalogue has them.
#include "store/engine/read/last_line.h"
#include "store/engine/read/query.h"

void query_jobs_ready(const struct session *session, struct store_op *op)
{
    op->err = catalogue_jobs_ready(session->sql, CONTAINER_OF(op, struct store_jobs_ready, op));
}

void query_job_lines(const struct session *session, struct store_op *op)
{
    op->err = catalogue_job_lines(session->sql, CONTAINER_OF(op, struct store_job_lines, op));
}

void query_job_waits(const struct session *session, struct store_op *op)
{
    op->err = catalogue_job_waits(session->sql, CONTAINER_OF(op, struct store_job_waits, op));
}

void query_job_links(const struct session *session, struct store_op *op)
{
    op->err = catalogue_job_links(session->sql, CONTAINER_OF(op, struct store_job_links, op));
}

void query_parents_awaited(const struct session *session, struct store_op *op)
{
    op->err = catalogue_parents_awaited(session->sql, CONTAINER_OF(op, struct store_parents_awaited, op));
}

void query_jobs_claimed(const struct session *session, struct store_op *op)
{
    op->err = catalogue_jobs_claimed(session->sql, CONTAINER_OF(op, struct store_jobs_claimed, op));
}

void query_batch_get(const struct session *session, struct store_op *op)
{
    struct store_batch_get *query = CONTAINER_OF(op, struct store_batch_get, op);
    int64_t row = query->row;
    op->err = row == 0 ? catalogue_batch_find(session->sql, query->account, query->batch_id, &row) : 0;
    if (op->err == 0)
        op->err = catalogue_batch_get(session->sql, row, &query->ret_batch);
}

void query_batch_list(const struct session *session, struct store_op *op)
{
    op->err = catalogue_batch_list(session->sql, CONTAINER_OF(op, struct store_batch_list, op));
}

void query_batch_failures(const struct session *session, struct store_op *op)
{
    struct store_batch_failures *query = CONTAINER_OF(op, struct store_batch_failures, op);
    struct batch_failure found[BATCH_FAILURES_MAX];
    int64_t rows[BATCH_FAILURES_MAX];
    unsigned limit = query->limit > 0 ? MIN(query->limit, (unsigned)BATCH_FAILURES_MAX) : BATCH_FAILURES_MAX;
    size_t count = 0;
    op->err = catalogue_batch_failures(session->sql, query, limit, found, &count);
    query->ret_executions = xcalloc(limit, sizeof(*query->ret_executions));
    query->ret_lines = query->with_lines ? xcalloc(limit, sizeof(*query->ret_lines)) : NULL;
    query->ret_count = 0;
    for (size_t i = 0; i < count; i++)
        rows[i] = found[i].row;
    if (op->err == 0)
        op->err = executions_load(session, rows, count, query->ret_executions);
    if (op->err == 0)
        query->ret_count = count;
    for (size_t i = 0; query->with_lines && i < query->ret_count && op->err == 0; i++)
        op->err = last_line_read(session, &query->ret_executions[i], &query->ret_lines[i]);
    query->ret_next_ms = count == limit ? found[count - 1].failed_ms : 0;
    query->ret_next_row = count == limit ? found[count - 1].row : 0;
}

void query_batch_cells(const struct session *session, struct store_op *op)
{
    op->err = catalogue_batch_cells(session->sql, CONTAINER_OF(op, struct store_batch_cells, op));
}

void query_tallies(const struct session *session, struct store_op *op)
{
    op->err = catalogue_tallies(session->sql, CONTAINER_OF(op, struct store_tallies, op));
}

void query_rosters(const struct session *session, struct store_op *op)
{
    op->err = catalogue_rosters(session->sql, CONTAINER_OF(op, struct store_rosters, op));
}
