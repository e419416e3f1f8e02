// What the mover asks the store, and one pack on its way.
#include "retention/cold_private.h"

// --- Asking the store

static void answered(struct store_op *op)
{
    op->done = NULL;
    loop_stop(op->reply_to);
}

int cold_run(struct cold_mover *it, struct store_op *op, enum store_op_kind kind)
{
    *op = (struct store_op){.kind = kind, .reply_to = it->loop, .done = answered, .scan = true};
    store_submit(it->options.store, op);
    while (op->done)
        loop_run(it->loop);
    return op->err;
}

void cold_count(struct cold_mover *it, enum metric metric, uint64_t amount)
{
    metrics_add(it->options.metrics, 0, metric, (int64_t)amount);
}

// --- One pack

static int verify(struct cold_mover *it, const char *object, struct str sent)
{
    CLEANUP(buf_release) struct buf there = {0};
    struct object_store *objects = it->options.objects;
    int err = objects->vtable->get(objects, object, 0, sent.len, &there, it->reason);
    if (err)
        return err;
    if (there.len == sent.len && memcmp(there.data, sent.data, sent.len) == 0)
        return 0;
    snprintf(it->reason, sizeof(it->reason), "a pack of cold chunks was read back otherwise than it was sent");
    return ERR_UNAVAILABLE;
}

int cold_swap(struct cold_mover *it, struct store_cold_swap *swap)
{
    swap->node = it->node;
    swap->epoch = it->epoch;
    return cold_run(it, &swap->op, STORE_COLD_SWAP);
}

// It is not in the store, and never will be. After others it may be, as an answer that was lost may have been good;
// then only the sweep can tell.
static bool is_refused(const struct store_cold_swap *swap, int err)
{
    return err == ERR_HELD || err == ERR_FENCED || err == ERR_EXPIRED || err == ERR_STORE_FULL ||
           (err == 0 && swap->ret_chunks == 0);
}

int cold_send(struct cold_mover *it, struct cold_pack *pack, struct store_cold_swap *swap)
{
    struct object_store *objects = it->options.objects;
    cold_pack_finish(pack);
    int err = objects->vtable->put(objects, swap->object, buf_str(&pack->bytes), it->reason);
    if (err == 0)
        err = verify(it, swap->object, buf_str(&pack->bytes));
    if (err || atomic_load(&it->ends))
        return err ? err : ERR_SHUTTING_DOWN;
    err = cold_swap(it, swap);
    if (is_refused(swap, err))
        (void)objects->vtable->remove(objects, swap->object, it->reason);
    return err;
}
