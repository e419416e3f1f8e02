// Queries about workflows and what runs were given. The catalogue has them.
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
