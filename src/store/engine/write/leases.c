// Nodes and leases. The catalogue has the rules.
#include "store/engine/write/commit.h"

int commit_node_start(struct transaction *tx, struct store_op *op)
{
    struct store_node_start *start = CONTAINER_OF(op, struct store_node_start, op);
    bool alone = tx->session.engine->base.one_writer;
    return commit_refuse(op, catalogue_node_start(tx->session.sql, start, alone, transaction_now_ms(tx)));
}

int commit_node_beat(struct transaction *tx, struct store_op *op)
{
    struct store_node_beat *beat = CONTAINER_OF(op, struct store_node_beat, op);
    return commit_refuse(op, catalogue_node_beat(tx->session.sql, beat, transaction_now_ms(tx)));
}

int commit_lease(struct transaction *tx, struct store_op *op)
{
    struct store_lease *lease = CONTAINER_OF(op, struct store_lease, op);
    return commit_refuse(op, catalogue_lease_change(tx->session.sql, lease->lease_kind, lease->subject, &lease->ask,
                                                    transaction_now_ms(tx), &lease->ret_lease));
}

int commit_lease_adopt(struct transaction *tx, struct store_op *op)
{
    struct store_lease_adopt *adopt = CONTAINER_OF(op, struct store_lease_adopt, op);
    return commit_refuse(op, catalogue_lease_adopt(tx->session.sql, adopt, transaction_now_ms(tx)));
}
