// Nodes and leases. The catalogue has the rules.
#include "store/sqlite/write/commit.h"

int commit_node_start(struct sqlite_store *store, struct store_op *op)
{
    struct store_node_start *start = CONTAINER_OF(op, struct store_node_start, op);
    bool alone = store->base.one_writer;
    return commit_refuse(op, catalogue_node_start(store->db.sql, start, alone, store_now_ms(store)));
}

int commit_node_beat(struct sqlite_store *store, struct store_op *op)
{
    struct store_node_beat *beat = CONTAINER_OF(op, struct store_node_beat, op);
    return commit_refuse(op, catalogue_node_beat(store->db.sql, beat, store_now_ms(store)));
}

int commit_lease(struct sqlite_store *store, struct store_op *op)
{
    struct store_lease *lease = CONTAINER_OF(op, struct store_lease, op);
    return commit_refuse(op, catalogue_lease_change(store->db.sql, lease->lease_kind, lease->subject, &lease->ask,
                                                    store_now_ms(store), &lease->ret_lease));
}

int commit_lease_adopt(struct sqlite_store *store, struct store_op *op)
{
    struct store_lease_adopt *adopt = CONTAINER_OF(op, struct store_lease_adopt, op);
    return commit_refuse(op, catalogue_lease_adopt(store->db.sql, adopt, store_now_ms(store)));
}
