#include "store/engine/write/summaries.h"

#include "store/ops/summary.h"
#include "store/summary_cache.h"

#define SLICE 16 // in one transaction

// --- Storing

bool summaries_wait(const struct engine *engine)
{
    return summary_cache_is_due(engine->summaries);
}

static int apply(struct transaction *tx, const struct summary_due *due)
{
    bool sealed, purged;
    int err = catalogue_execution_closed(tx->session.sql, due->row, &sealed, &purged);
    if (err < 0 || purged)
        return err;
    return catalogue_summary_set(tx->session.sql, due->row, due->next, buf_str(&due->encoded));
}

int summaries_apply(struct transaction *tx)
{
    int err = 0;
    struct summary_due due;
    for (int i = 0; i < SLICE && err == 0 && summary_cache_take_due(tx->session.engine->summaries, &due); i++) {
        err = apply(tx, &due);
        buf_release(&due.encoded);
        tx->summaries += err == 0;
    }
    return err;
}

static void wake_writer(void *arg)
{
    struct engine *engine = arg;
    queues_wake_writer(&engine->queues);
}

// --- Catching up: counting what the cache was not fed with, one log at a time, as a scan of the readers.

struct catch_up {
    struct store_summary query;
    struct engine *engine;
};

static void caught_up(struct store_op *op)
{
    struct catch_up *it = CONTAINER_OF(op, struct catch_up, query.op);
    if (op->err == 0 && it->query.ret_more) {
        store_submit(&it->engine->base, op);
        return;
    }
    store_op_release(op);
    atomic_store(&it->engine->catching_up, false);
    free(it);
}

static void catch_up(void *arg, int64_t row)
{
    struct engine *engine = arg;
    if (atomic_exchange(&engine->catching_up, true))
        return; // the log's next chunk asks again
    struct catch_up *it = xcalloc(1, sizeof(*it));
    it->engine = engine;
    it->query.op = (struct store_op){.kind = STORE_SUMMARY, .done = caught_up, .scan = true};
    it->query.row = row;
    store_submit(&engine->base, &it->query.op);
}

int summaries_init(struct engine *engine, struct budget *budget)
{
    size_t share = budget ? budget_bound(budget, BUDGET_cache) / SUMMARY_CACHE_SHARE : SIZE_MAX;
    const struct summary_cache_owner owner = {.arg = engine, .due = wake_writer, .behind = catch_up};
    engine->summaries = summary_cache_new(budget, MIN(share, SUMMARY_CACHE_MAX), &owner);
    return engine->summaries ? 0 : ERR_NOMEM;
}
