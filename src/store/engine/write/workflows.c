// Workflows. The catalogue has the rules.
#include "store/engine/write/commit.h"

int commit_workflow_create(struct transaction *tx, struct store_op *op)
{
    struct store_workflow_create *create = CONTAINER_OF(op, struct store_workflow_create, op);
    return commit_refuse(op, catalogue_workflow_create(tx->session.sql, create, transaction_now_ms(tx)));
}

int commit_workflow_change(struct transaction *tx, struct store_op *op)
{
    struct store_workflow_change *change = CONTAINER_OF(op, struct store_workflow_change, op);
    return commit_refuse(op, catalogue_workflow_change(tx->session.sql, change, transaction_now_ms(tx)));
}

int commit_workflow_delete(struct transaction *tx, struct store_op *op)
{
    const struct store_workflow_delete *gone = CONTAINER_OF(op, struct store_workflow_delete, op);
    return commit_refuse(op, catalogue_workflow_delete(tx->session.sql, gone->row));
}
