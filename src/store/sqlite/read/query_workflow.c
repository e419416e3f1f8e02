// Queries about workflows, what runs were given, and what they wait for. The catalogue has them.
#include "store/sqlite/read/query.h"

void query_workflow_get(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    struct store_workflow_get *get = CONTAINER_OF(op, struct store_workflow_get, op);
    int64_t row;
    op->err = catalogue_workflow_find(db->sql, get->account, get->workflow_id, &row);
    if (op->err == 0)
        op->err = catalogue_workflow_get(db->sql, row, &get->ret_workflow);
}

void query_workflow_list(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_workflow_list(db->sql, CONTAINER_OF(op, struct store_workflow_list, op));
}

void query_run_get(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_run_get(db->sql, CONTAINER_OF(op, struct store_run_get, op));
}

void query_waiting(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    struct store_waiting *waiting = CONTAINER_OF(op, struct store_waiting, op);
    int64_t until_ms;
    op->err = catalogue_waiting_get(db->sql, waiting->row, &waiting->ret_waiting, &until_ms);
    waiting->ret_over = until_ms < 0;
}

void query_waits_due(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    (void)store;
    op->err = catalogue_waits_due(db->sql, CONTAINER_OF(op, struct store_waits_due, op));
}
