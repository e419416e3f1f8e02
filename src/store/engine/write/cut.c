// Cuts records off the front of a log. The catalogue has the rules; STORE_FRONT has looked at what goes.
#include "store/engine/write/commit.h"
#include "store/engine/write/outcome.h"

int commit_cut(struct transaction *tx, struct store_op *op)
{
    struct store_cut *cut = CONTAINER_OF(op, struct store_cut, op);
    struct head *head;
    int err = heads_get(&tx->heads, cut->row, &head);
    if (err == 0)
        err = catalogue_front_judge(tx->session.sql, cut, &head->state);
    if (err == 0)
        err = tx->session.engine->log->cut(tx, cut->row, cut->after.first);
    if (err < 0)
        return commit_refuse(op, err);
    err = catalogue_front_set(tx->session.sql, cut->row, &cut->after);
    if (err < 0)
        return err;
    bool more = true;
    while (err == 0 && more)
        err = catalogue_cold_forget(tx->session.sql, cut->row, cut->after.first, &more);
    if (err < 0)
        return err;
    head->first_sequence = cut->after.first;
    announce(tx, head);
    return 0;
}
