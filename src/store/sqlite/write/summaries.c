#include "store/sqlite/write/summaries.h"

#include "store/ops/summary.h"

#define SLICE 16 // in one transaction

// --- Storing

bool summaries_wait(const struct sqlite_store *store)
{
    return !store->refusing && summary_cache_is_due(store->summaries);
}

static int apply(struct sqlite_store *store, const struct summary_due *due)
{
    bool sealed, purged;
    int err = catalogue_execution_closed(store->db.sql, due->row, &sealed, &purged);
    return err < 0 || purged ? err : catalogue_summary_set(store->db.sql, due->row, due->next, buf_str(&due->encoded));
}

int summaries_apply(struct sqlite_store *store)
{
    int err = 0;
    struct summary_due due;
    for (int i = 0; i < SLICE && err == 0 && summary_cache_take_due(store->summaries, &due); i++) {
        err = apply(store, &due);
        buf_release(&due.encoded);
        store->group.summaries += err == 0;
    }
    return err;
}

static void wake_writer(void *arg)
{
    struct sqlite_store *store = arg;
    pthread_mutex_lock(&store->mutex); // it must not look before that, and wait after it
    pthread_mutex_unlock(&store->mutex);
    pthread_cond_signal(&store->writer_wake);
}

// --- Catching up: counting what the cache was not fed with, one log at a time, as a scan of the readers.

struct catch_up {
    struct store_summary query;
    struct sqlite_store *store;
};

static void caught_up(struct store_op *op)
{
    struct catch_up *it = CONTAINER_OF(op, struct catch_up, query.op);
    if (op->err == 0 && it->query.ret_more) {
        store_submit(&it->store->base, op);
        return;
    }
    store_op_release(op);
    atomic_store(&it->store->catching_up, false);
    free(it);
}

static void catch_up(void *arg, int64_t row)
{
    struct sqlite_store *store = arg;
    if (atomic_exchange(&store->catching_up, true))
        return; // the log's next chunk asks again
    struct catch_up *it = xcalloc(1, sizeof(*it));
    it->store = store;
    it->query.op = (struct store_op){.kind = STORE_SUMMARY, .done = caught_up, .scan = true};
    it->query.row = row;
    store_submit(&store->base, &it->query.op);
}

struct summary_cache_owner summaries_owner(struct sqlite_store *store)
{
    return (struct summary_cache_owner){.arg = store, .due = wake_writer, .behind = catch_up};
}
