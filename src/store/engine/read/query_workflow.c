// Queries about workflows, what runs were given, and what they wait for. The catalogue has them.
#include "store/engine/read/query.h"

void query_workflow_get(const struct session *session, struct store_op *op)
{
    struct store_workflow_get *get = CONTAINER_OF(op, struct store_workflow_get, op);
    int64_t row;
    op->err = catalogue_workflow_find(session->sql, get->account, get->workflow_id, &row);
    if (op->err == 0)
        op->err = catalogue_workflow_get(session->sql, row, &get->ret_workflow);
}

void query_workflow_list(const struct session *session, struct store_op *op)
{
    op->err = catalogue_workflow_list(session->sql, CONTAINER_OF(op, struct store_workflow_list, op));
}

void query_run_get(const struct session *session, struct store_op *op)
{
    op->err = catalogue_run_get(session->sql, CONTAINER_OF(op, struct store_run_get, op));
}

void query_waiting(const struct session *session, struct store_op *op)
{
    struct store_waiting *waiting = CONTAINER_OF(op, struct store_waiting, op);
    int64_t until_ms;
    op->err = catalogue_waiting_get(session->sql, waiting->row, &waiting->ret_waiting, &until_ms);
    waiting->ret_over = until_ms < 0;
}

void query_waits_due(const struct session *session, struct store_op *op)
{
    op->err = catalogue_waits_due(session->sql, CONTAINER_OF(op, struct store_waits_due, op));
}
