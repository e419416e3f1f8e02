// Nodes and leases. The catalogue has the rules.
#include "store/engine/write/commit.h"

int commit_node_start(struct transaction *tx, struct store_op *op)
{
    struct store_node_start *start = CONTAINER_OF(op, struct store_node_start, op);
    bool alone = tx->session.engine->base.alone;
    int64_t now_ms;
    int err = transaction_shared_now(tx, &now_ms);
    return commit_refuse(op, err < 0 ? err : catalogue_node_start(tx->session.sql, start, alone, now_ms));
}

int commit_node_beat(struct transaction *tx, struct store_op *op)
{
    struct store_node_beat *beat = CONTAINER_OF(op, struct store_node_beat, op);
    int64_t now_ms;
    int err = transaction_shared_now(tx, &now_ms);
    return commit_refuse(op, err < 0 ? err : catalogue_node_beat(tx->session.sql, beat, now_ms));
}

int commit_tally_tell(struct transaction *tx, struct store_op *op)
{
    struct store_tally_tell *tell = CONTAINER_OF(op, struct store_tally_tell, op);
    return commit_refuse(op, catalogue_tally_tell(tx->session.sql, tell));
}

int commit_lease(struct transaction *tx, struct store_op *op)
{
    struct store_lease *lease = CONTAINER_OF(op, struct store_lease, op);
    int64_t now_ms;
    int err = transaction_shared_now(tx, &now_ms);
    if (err == 0)
        err = catalogue_lease_change(tx->session.sql, lease->lease_kind, lease->subject, &lease->ask, now_ms,
                                     &lease->ret_lease);
    return commit_refuse(op, err);
}

int commit_lease_adopt(struct transaction *tx, struct store_op *op)
{
    struct store_lease_adopt *adopt = CONTAINER_OF(op, struct store_lease_adopt, op);
    int64_t now_ms;
    int err = transaction_shared_now(tx, &now_ms);
    return commit_refuse(op, err < 0 ? err : catalogue_lease_adopt(tx->session.sql, adopt, now_ms));
}
