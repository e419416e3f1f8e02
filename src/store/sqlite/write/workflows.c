// Workflows. The catalogue has the rules.
#include "store/sqlite/write/commit.h"

int commit_workflow_create(struct sqlite_store *store, struct store_op *op)
{
    struct store_workflow_create *create = CONTAINER_OF(op, struct store_workflow_create, op);
    return commit_refuse(op, catalogue_workflow_create(store->db.sql, create, store_now_ms(store)));
}

int commit_workflow_change(struct sqlite_store *store, struct store_op *op)
{
    struct store_workflow_change *change = CONTAINER_OF(op, struct store_workflow_change, op);
    return commit_refuse(op, catalogue_workflow_change(store->db.sql, change, store_now_ms(store)));
}

int commit_workflow_delete(struct sqlite_store *store, struct store_op *op)
{
    const struct store_workflow_delete *gone = CONTAINER_OF(op, struct store_workflow_delete, op);
    return commit_refuse(op, catalogue_workflow_delete(store->db.sql, gone->row));
}
