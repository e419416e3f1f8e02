// The only thread that writes. What has gathered since the last commit becomes one transaction.
#include "store/sqlite/write/writer.h"

#include "store/engine/write/commit.h"
#include "store/engine/write/purge.h"
#include "store/engine/write/summaries.h"
#include "store/sqlite/file/reserve.h"
#include "store/sqlite/merge/merge.h"
#include "store/sqlite/write/checkpoint.h"
#include "store/sqlite/write/vacuum.h"
#include "store/summary_cache.h"

// Pause of merging after a failed transaction; and between two looks for space.
#define BACKGROUND_PAUSE_MS 1000
// In addition to the reserve. With so much free a full disk counts as one with room.
#define SPARE_BYTES ((uint64_t)4 * 1024 * 1024)

// --- One transaction

static void roll_back(struct sqlite_store *store)
{
    // After some errors SQLite has already rolled back.
    if (!sqlite3_get_autocommit(store->db.handle) && db_run(db_statement(&store->db, STATEMENT_ROLLBACK)) < 0) {
        log_error(store->engine.base.logger, "the store cannot roll back; ending the process",
                  LOG_S("reason", sqlite3_errmsg(store->db.handle)));
        abort();
    }
    appended_rolled_back(store);
    merge_rolled_back(store->merge);
    transaction_rolled_back(&store->tx);
}

static int apply_all(struct sqlite_store *store, struct store_op *const *ops, size_t count, bool background)
{
    int err = db_run(db_statement(&store->db, STATEMENT_BEGIN_WRITE));
    for (size_t i = 0; i < count && err == 0; i++)
        err = commit_op(&store->tx, ops[i]);
    if (err == 0)
        err = appended_flush(store);
    if (err == 0 && store->generation_due)
        err = store_raise_generation(store);
    // A purge goes first and alone: on a full disk it must not fail because of a merge.
    // Many executions that hold little go together, unless the disk is full: the reserve is for few pages.
    if (err == 0 && background && store->purging)
        err = purge_slice(&store->tx, store->refusing ? 1 : PURGE_AT_ONCE, &store->purging);
    else if (err == 0 && background && !store->refusing)
        err = merge_apply(store->merge);
    if (err == 0 && background && !store->refusing && !store->purging)
        err = summaries_apply(&store->tx);
    return err < 0 ? err : db_run(db_statement(&store->db, STATEMENT_COMMIT));
}

// Called after the commit: makes visible what has become durable.
static void publish(struct sqlite_store *store)
{
    const struct transaction *tx = &store->tx;
    appended_committed(store);
    store->purging = store->purging || tx->purges;
    store_generation_committed(store);
    merge_committed(store->merge);
    store_publish(&store->engine.base, tx->changes, tx->change_count);
    summary_cache_feed(store->engine.summaries, tx->changes, tx->change_count);
    for (size_t i = 0; i < tx->change_count; i++) {
        if (tx->changes[i].sealed)
            merge_sealed(store->merge);
    }
}

// `err` keeps the store from being written; 0: nothing does.
static void set_write_error(struct sqlite_store *store, int err)
{
    pthread_mutex_lock(&store->engine.stats_mutex);
    bool changed = store->engine.stats.write_error != err;
    store->engine.stats.write_error = err;
    pthread_mutex_unlock(&store->engine.stats_mutex);
    if (!changed)
        return;
    CLEANUP(free_ptr) char *reason = db_reason(&store->db);
    if (err == 0)
        log_info(store->engine.base.logger, "the store can be written again", LOG_S("path", store->path));
    else
        log_error(store->engine.base.logger, "the store cannot be written", LOG_S("path", store->path),
                  LOG_S("error", error_word(err)), LOG_S("reason", reason), LOG_S("what_to_do", error_text(err)));
}

// Whether this error keeps the store from being written for now, whatever the operations are.
static bool keeps_from_writing(int err)
{
    return err == ERR_STORE_FULL || err == ERR_UNAVAILABLE || err == ERR_NO_FILES || err == ERR_NOMEM;
}

static int transact(struct sqlite_store *store, struct store_op *const *ops, size_t count, bool background)
{
    uint64_t start = clock_mono_ns();
    store_versions_begin(&store->engine.base, ops, count);
    int err = apply_all(store, ops, count, background);
    if (err < 0) {
        if (keeps_from_writing(err))
            set_write_error(store, err);
        roll_back(store);
        store_versions_end(&store->engine.base, ops, count);
        return err;
    }
    if (count > 0 && !store->refusing)
        set_write_error(store, 0);
    publish(store);
    transaction_committed(&store->tx, count, clock_mono_ns() - start);
    store_versions_end(&store->engine.base, ops, count);
    return 0;
}

// --- A group of operations, and what happens when its transaction fails

// A full disk must not keep anybody from purging or from ending a log. So those are tried without the operations that
// need space.
static int commit_without_growth(struct sqlite_store *store, struct store_op **ops, size_t count, bool background)
{
    size_t kept = 0;
    struct store_op **rest = xmalloc((count + 1) * sizeof(struct store_op *));
    for (size_t i = 0; i < count; i++) {
        if (store_kinds[ops[i]->kind].needs_space)
            ops[i]->err = ERR_STORE_FULL;
        else
            rest[kept++] = ops[i];
    }
    int err = kept > 0 || background ? transact(store, rest, kept, background) : 0;
    for (size_t i = 0; i < kept && err < 0; i++)
        rest[i]->err = err;
    if (err == ERR_STORE_FULL)
        checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    free(rest);
    return err;
}

static void commit_when_full(struct sqlite_store *store, struct store_op **ops, size_t count)
{
    // The checkpoint needs the reserve. Afterwards the WAL begins again in the space that it has. So less must be kept
    // aside, and the database may have free pages.
    reserve_give_up(store);
    checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    if (reserve_make(store, 0) && (count == 0 || transact(store, ops, count, false) == 0))
        return;
    reserve_give_up(store);
    checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    store->refusing = true;
    commit_without_growth(store, ops, count, false);
}

// Decides whether operations that need space may be tried again: there is room for the reserve, or as much is free in
// the database.
static void look_for_space(struct sqlite_store *store, uint64_t now_ms)
{
    if (!store->refusing || now_ms < store->background_from_ms || store->purging)
        return;
    int64_t free_pages = 0;
    bool roomy = reserve_make(store, SPARE_BYTES);
    if (!roomy && db_query_i64(&store->db, "PRAGMA freelist_count", &free_pages) == 0)
        roomy = (uint64_t)free_pages * store->page_size >= SPARE_BYTES;
    if (!roomy) {
        store->background_from_ms = now_ms + BACKGROUND_PAUSE_MS;
        return;
    }
    store->refusing = false;
    set_write_error(store, 0);
}

static void commit_one_by_one(struct sqlite_store *store, struct store_op **ops, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        int err = transact(store, &ops[i], 1, false);
        if (err < 0)
            ops[i]->err = err;
    }
}

static void commit_after(struct sqlite_store *store, int err, struct store_op **ops, size_t count)
{
    if (err == ERR_STORE_FULL) {
        commit_when_full(store, ops, count);
    } else if (keeps_from_writing(err)) {
        for (size_t i = 0; i < count; i++)
            ops[i]->err = err;
    } else {
        // One operation met a fault of the data or of this program. The others must not suffer from it.
        log_error(store->engine.base.logger, "a commit failed; its operations are tried one by one",
                  LOG_S("error", error_word(err)), LOG_I("operations", (int64_t)count));
        commit_one_by_one(store, ops, count);
    }
}

static void commit_group(struct sqlite_store *store, struct store_op **ops, size_t count)
{
    uint64_t now_ms = clock_mono_ms();
    bool background = now_ms >= store->background_from_ms, refusing = store->refusing;
    int err = refusing ? commit_without_growth(store, ops, count, background) : transact(store, ops, count, background);
    if (err < 0)
        store->background_from_ms = now_ms + BACKGROUND_PAUSE_MS;
    // The merging or purging in the same transaction may have failed.
    if (keeps_from_writing(err) && err != ERR_STORE_FULL && background && !refusing && count > 0)
        err = transact(store, ops, count, false);
    if (err < 0 && !refusing)
        commit_after(store, err, ops, count);
    // Before the replies: a client that was answered may ask again, and would count twice.
    queues_committed(&store->engine.queues, count);
    for (size_t i = 0; i < count; i++)
        store_reply(ops[i]);
}

// --- The thread

// Returns the milliseconds until something must be done unasked.
static uint64_t idle_for_ms(struct sqlite_store *store, uint64_t now_ms)
{
    uint64_t wait = MIN(merge_due_in_ms(store->merge, now_ms), vacuum_due_in_ms(store, now_ms));
    if (!settled(store)) {
        uint64_t idle = now_ms - store->last_commit_ms;
        wait = MIN(wait, idle < CHECKPOINT_IDLE_MS ? CHECKPOINT_IDLE_MS - idle : 0);
    }
    if (store->background_from_ms > now_ms)
        wait = MIN(wait, store->background_from_ms - now_ms);
    else if (store->refusing)
        wait = 0;
    return wait;
}

static bool background_waits(struct sqlite_store *store, uint64_t now_ms)
{
    if (now_ms < store->background_from_ms)
        return false;
    bool grows = merge_ready(store->merge) || summaries_wait(&store->engine);
    return store->purging || (grows && !store->refusing);
}

// Waits until there is something to do. Returns false when the store is closing and nothing is left.
static bool next_group(struct sqlite_store *store, struct store_op **ops, size_t *ret_count)
{
    struct queues *queues = &store->engine.queues;
    pthread_mutex_lock(&queues->mutex);
    queues_gather(queues);
    uint64_t now_ms = clock_mono_ms();
    bool held_back =
        merge_overloaded(store->merge) && !queues->stopping && !store->refusing && now_ms >= store->background_from_ms;
    bool work = background_waits(store, now_ms) || (!held_back && queues->writer.count > 0);
    if (!work && !queues->stopping)
        queues_wait(queues, idle_for_ms(store, now_ms));
    *ret_count = held_back ? 0 : queues_take(queues, ops);
    bool go_on = *ret_count > 0 || !queues->stopping;
    pthread_mutex_unlock(&queues->mutex);
    return go_on;
}

static void after_group(struct sqlite_store *store, bool committed, bool was_purging)
{
    uint64_t now_ms = clock_mono_ms();
    if (committed)
        store->last_commit_ms = now_ms;
    if (was_purging && !store->purging)
        vacuum_look(store);
    if (store->wal_pages * store->page_size > CHECKPOINT_BYTES)
        checkpoint(store, SQLITE_CHECKPOINT_PASSIVE);
    else if (!settled(store) && now_ms - store->last_commit_ms >= CHECKPOINT_IDLE_MS) {
        settle(store);
        vacuum_look(store);
        store->last_commit_ms = now_ms; // so that it is not tried again at once if a reader was in the way
    }
    look_for_space(store, now_ms);
    merge_plan(store->merge, now_ms);
}

static int wal_grew(void *arg, sqlite3 *handle, const char *schema, int pages)
{
    (void)handle;
    (void)schema;
    struct sqlite_store *store = arg;
    store->wal_pages = (uint64_t)pages;
    return SQLITE_OK;
}

void *writer_main(void *arg)
{
    struct sqlite_store *store = arg;
    struct store_op **ops = xmalloc(GROUP_OPS_MAX * sizeof(struct store_op *));
    sqlite3_wal_hook(store->db.handle, wal_grew, store);
    merge_plan(store->merge, clock_mono_ms());
    vacuum_look(store);
    size_t count;
    while (next_group(store, ops, &count)) {
        bool was_purging = store->purging;
        bool committed = count > 0 || background_waits(store, clock_mono_ms());
        if (committed)
            commit_group(store, ops, count);
        else if (vacuum_waits(store, clock_mono_ms()))
            vacuum_slice(store);
        after_group(store, committed, was_purging);
    }
    checkpoint(store, SQLITE_CHECKPOINT_TRUNCATE);
    reserve_settle(store);
    free(ops);
    return NULL;
}
