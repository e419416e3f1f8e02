// Bodies of chunks give way to their places elsewhere, and places that are not wanted any more are forgotten.
#include "store/engine/write/commit.h"

// What was purged meanwhile stays out.
static int move_one(struct transaction *tx, const struct cold_found *it, int64_t pack, bool *ret_done)
{
    struct head *head;
    *ret_done = false;
    int err = heads_get(&tx->heads, it->row, &head);
    if (err < 0 || head->sequence.purged || !head->sequence.sealed)
        return err == ERR_NOT_FOUND ? 0 : err;
    return it->pack ? catalogue_cold_move(tx->session.sql, it, it->pack, pack, ret_done)
                    : catalogue_cold_chill(tx->session.sql, it, pack, ret_done);
}

static int move_all(struct transaction *tx, struct store_cold_swap *swap)
{
    struct sql *sql = tx->session.sql;
    int64_t pack = 0;
    int err = catalogue_cold_pack_add(sql, swap->object, swap->made_ms, &pack);
    for (size_t i = 0; i < swap->count && err == 0; i++) {
        bool done;
        err = move_one(tx, &swap->found[i], pack, &done);
        swap->ret_chunks += err == 0 && done;
        swap->ret_bytes += err == 0 && done ? swap->found[i].place.len : 0;
    }
    return err < 0 ? err : catalogue_cold_pack_fill(sql, pack, swap->ret_bytes, swap->ret_chunks);
}

int commit_cold_swap(struct transaction *tx, struct store_op *op)
{
    struct store_cold_swap *swap = CONTAINER_OF(op, struct store_cold_swap, op);
    swap->ret_chunks = swap->ret_bytes = 0;
    int err = 0;
    if (swap->node != 0)
        err = catalogue_lease_stands(tx->session.sql, LEASE_COLD, STORE_COLD_SUBJECT, swap->node, swap->epoch);
    if (err < 0)
        return commit_refuse(op, err);
    if (transaction_now_ms(tx) - swap->made_ms > STORE_COLD_SWAP_MS)
        return commit_refuse(op, ERR_EXPIRED);
    err = swap->count > 0 ? catalogue_cold_readers(tx->session.sql) : 0;
    if (err < 0)
        return commit_refuse(op, err);
    err = swap->count > 0 ? move_all(tx, swap) : 0;
    for (size_t i = 0; i < swap->row_count && err == 0; i++)
        err = catalogue_cold_set(tx->session.sql, swap->rows[i]);
    return err;
}

int commit_cold_own(struct transaction *tx, struct store_op *op)
{
    struct store_cold_own *own = CONTAINER_OF(op, struct store_cold_own, op);
    struct sql *sql = tx->session.sql;
    int err = catalogue_lease_stands(sql, LEASE_COLD, STORE_COLD_SUBJECT, own->node, own->epoch);
    return commit_refuse(op, err < 0 ? err : catalogue_cold_own(sql, own));
}

int commit_cold_drop(struct transaction *tx, struct store_op *op)
{
    return commit_refuse(op, catalogue_cold_drop(tx->session.sql, CONTAINER_OF(op, struct store_cold_drop, op)->pack));
}
