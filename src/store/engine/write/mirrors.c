// How far logs are copied elsewhere. The catalogue has the rules.
#include "store/engine/write/commit.h"

int mirror_add(struct transaction *tx, int64_t row)
{
    bool mirrors = tx->session.engine->mirrors;
    return mirrors ? catalogue_mirror_add(tx->session.sql, row, transaction_now_ms(tx)) : 0;
}

int commit_mirror_advance(struct transaction *tx, struct store_op *op)
{
    const struct store_mirror_advance *advance = CONTAINER_OF(op, struct store_mirror_advance, op);
    return commit_refuse(op, catalogue_mirror_advance(tx->session.sql, advance));
}

int commit_mirror_enter(struct transaction *tx, struct store_op *op)
{
    struct store_mirror_enter *enter = CONTAINER_OF(op, struct store_mirror_enter, op);
    return commit_refuse(op, catalogue_mirror_enter(tx->session.sql, enter));
}
