// The only thread of this node that writes. What has gathered since the last commit becomes one transaction. Other
// nodes write at the same time: what a transaction changes is locked when it begins, in one order, and it is begun
// again if another one was in the way.
#include "store/engine/write/commit.h"
#include "store/engine/write/purge.h"
#include "store/engine/write/summaries.h"
#include "store/postgres/postgres_private.h"
#include "store/summary_cache.h"

#include <unistd.h>

#define TRIES_MAX           50 // of one transaction, while others are in the way
#define BACKGROUND_PAUSE_MS 1000
#define BACKGROUND_REST_MS  20    // while there is other work
#define HOME_AT_ONCE        128   // logs that a transaction brings home beside its operations
#define HOME_IDLE           1024  // and without any
#define PURGING_PAUSE_MS    60000 // until it is looked for what was not due before

// --- One transaction

static int background_work(struct postgres_store *store)
{
    return store->purging ? purge_slice(&store->tx, PURGE_AT_ONCE, &store->purging) : summaries_apply(&store->tx);
}

static int apply(struct postgres_store *store, struct store_op *const *ops, size_t count, bool background)
{
    int err = group_begin(store, ops, count);
    for (size_t i = 0; i < count && err == 0; i++) {
        heads_trust(&store->tx.heads, ops[i]->kind == STORE_APPEND);
        err = commit_op(&store->tx, ops[i]);
        // A statement that was refused there has ended the transaction; nothing else can be done in it.
        if (err == 0 && sql_postgres_failed(store->sql))
            err = count == 1 ? ops[i]->err : ERR_INTERNAL;
    }
    if (err == 0)
        err = appends_copy(&store->appends, store->sql);
    if (err == 0 && background)
        err = background_work(store);
    return err < 0 ? err : group_begun(store);
}

// `again`: it is not there, and may be tried once more.
static int commit(struct postgres_store *store, size_t count, bool *again)
{
    struct transaction *tx = &store->tx;
    struct appends *appends = &store->appends;
    journal_bring_home(&store->journal, &appends->rows, &appends->entries, count > 0 ? HOME_AT_ONCE : HOME_IDLE,
                       clock_mono_ms());
    appends->needed_from = journal_needed_from(&store->journal, &appends->rows, store->transaction);
    int err = appends_commit(appends, store->sql, &tx->heads, store->transaction, transaction_now_ms(tx));
    *again = sql_again(store->sql);
    if (err != ERR_UNAVAILABLE || *again)
        return err;
    int rc = group_committed(store);
    *again = rc == 0;
    return rc == 1 ? 0 : err;
}

static void publish(struct postgres_store *store)
{
    const struct transaction *tx = &store->tx;
    store->purging = store->purging || tx->purges;
    store_publish(&store->engine.base, tx->changes, tx->change_count);
    peers_committed(store->peers, tx);
    summary_cache_feed(store->engine.summaries, tx->changes, tx->change_count);
    postgres_merger_sealed(store, tx);
}

// `again`: another transaction was in the way, or what was remembered was wrong.
static int transact_once(struct postgres_store *store, struct store_op *const *ops, size_t count, bool background,
                         bool *again)
{
    uint64_t start = clock_mono_ns();
    int err = group_ready(store);
    heads_begin(&store->tx.heads);
    err = err < 0 ? err : apply(store, ops, count, background);
    *again = sql_again(store->sql);
    if (err == 0)
        err = commit(store, count, again);
    if (err == 0)
        appends_committed(&store->appends, &store->tx.heads, &store->journal, store->transaction);
    else
        group_failed(store);
    appends_reset(&store->appends, err == 0);
    if (err < 0) {
        CLEANUP(free_ptr) char *reason = sql_reason(store->sql);
        log_debug(store->engine.base.logger, "a transaction failed", LOG_S("reason", reason));
        sql_rollback(store->sql);
        appends_house(&store->appends, store->sql);
        transaction_rolled_back(&store->tx);
        return err;
    }
    publish(store);
    transaction_committed(&store->tx, count, clock_mono_ns() - start);
    return 0;
}

static int transact(struct postgres_store *store, struct store_op *const *ops, size_t count, bool background)
{
    bool again = true;
    int err = ERR_UNAVAILABLE;
    for (int tries = 0; err < 0 && again && tries < TRIES_MAX; tries++) {
        if (tries > 1)
            usleep((useconds_t)MIN(tries, 20) * 1000);
        err = transact_once(store, ops, count, background, &again);
    }
    return err;
}

// --- A group of operations

static void set_write_error(struct postgres_store *store, int err)
{
    struct engine *engine = &store->engine;
    pthread_mutex_lock(&engine->stats_mutex);
    bool changed = engine->stats.write_error != err;
    engine->stats.write_error = err;
    pthread_mutex_unlock(&engine->stats_mutex);
    if (!changed)
        return;
    CLEANUP(free_ptr) char *reason = sql_reason(store->sql);
    if (err == 0)
        log_info(engine->base.logger, "the store can be written again");
    else
        log_error(engine->base.logger, "the store cannot be written", LOG_S("error", error_word(err)),
                  LOG_S("reason", reason), LOG_S("what_to_do", error_text(err)));
}

static bool keeps_from_writing(int err)
{
    return err == ERR_STORE_FULL || err == ERR_UNAVAILABLE || err == ERR_NO_FILES || err == ERR_NOMEM;
}

static void commit_one_by_one(struct postgres_store *store, struct store_op **ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int err = transact(store, &ops[i], 1, false);
        if (err < 0)
            ops[i]->err = err;
    }
}

static bool background_waits(struct postgres_store *store, uint64_t now_ms)
{
    if (now_ms >= store->purging_from_ms) {
        store->purging_from_ms = now_ms + PURGING_PAUSE_MS;
        store->purging = true;
    }
    return now_ms >= store->background_from_ms && (store->purging || summaries_wait(&store->engine));
}

static void commit_group(struct postgres_store *store, struct store_op **ops, size_t count)
{
    uint64_t now_ms = clock_mono_ms();
    bool background = background_waits(store, now_ms);
    int err = transact(store, ops, count, background);
    if (background && count > 0)
        store->background_from_ms = now_ms + BACKGROUND_REST_MS;
    if (err < 0)
        store->background_from_ms = now_ms + BACKGROUND_PAUSE_MS;
    if (count > 0)
        set_write_error(store, keeps_from_writing(err) ? err : 0);
    if (keeps_from_writing(err)) {
        for (size_t i = 0; i < count; i++)
            ops[i]->err = err;
    } else if (err < 0) {
        commit_one_by_one(store, ops, count);
    }
    // Before the replies: a client that was answered may ask again, and would count twice.
    queues_committed(&store->engine.queues, count);
    for (size_t i = 0; i < count; i++)
        store_reply(ops[i]);
}

// --- The thread

// Whether there is something to do besides operations.
static bool work_waits(struct postgres_store *store, uint64_t now_ms)
{
    return (now_ms >= store->background_from_ms && journal_due(&store->journal, now_ms)) ||
           background_waits(store, now_ms);
}

static uint64_t idle_until_ms(const struct postgres_store *store, uint64_t now_ms)
{
    uint64_t until_ms = store->background_from_ms > now_ms ? store->background_from_ms : store->purging_from_ms;
    return MIN(until_ms, MAX(journal_due_ms(&store->journal), store->background_from_ms));
}

// Waits until there is something to do. Returns false when the store is closing and nothing is left.
static bool next_group(struct postgres_store *store, struct store_op **ops, size_t *ret_count)
{
    struct queues *queues = &store->engine.queues;
    pthread_mutex_lock(&queues->mutex);
    queues_gather(queues);
    uint64_t now_ms = clock_mono_ms();
    bool work = work_waits(store, now_ms) || queues->writer.count > 0;
    if (!work && !queues->stopping)
        queues_wait(queues, idle_until_ms(store, now_ms) - now_ms);
    *ret_count = queues_take(queues, ops);
    bool go_on = *ret_count > 0 || !queues->stopping;
    pthread_mutex_unlock(&queues->mutex);
    return go_on;
}

void *postgres_writer_main(void *arg)
{
    struct postgres_store *store = arg;
    struct store_op **ops = xmalloc(GROUP_OPS_MAX * sizeof(struct store_op *));
    size_t count;
    while (next_group(store, ops, &count))
        if (count > 0 || work_waits(store, clock_mono_ms()))
            commit_group(store, ops, count);
    store->journal.ends_now = true;
    for (int err = 0; err == 0 && journal_due(&store->journal, 0);)
        err = transact(store, NULL, 0, false);
    free(ops);
    return NULL;
}
