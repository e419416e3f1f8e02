#include "store/engine/write/transaction.h"

void transaction_init(struct transaction *tx, struct engine *engine)
{
    tx->session.engine = engine;
    heads_init(&tx->heads, &tx->session);
}

void transaction_release(struct transaction *tx)
{
    heads_release(&tx->heads);
    free(tx->changes);
    free(tx->rows);
}

void transaction_add_change(struct transaction *tx, const struct store_change *change)
{
    if (tx->change_count == tx->changes_cap) {
        tx->changes_cap = tx->changes_cap ? tx->changes_cap * 2 : 64;
        tx->changes = xrealloc(tx->changes, tx->changes_cap * sizeof(*tx->changes));
    }
    struct store_change *added = &tx->changes[tx->change_count++];
    *added = *change;
    if (added->chunk)
        added->chunk = chunk_ref(added->chunk);
}

void transaction_add_row(struct transaction *tx, int64_t row)
{
    if (!store_version_begin(&tx->session.engine->base, row))
        return;
    if (tx->row_count == tx->rows_cap) {
        tx->rows_cap = tx->rows_cap ? tx->rows_cap * 2 : 64;
        tx->rows = xrealloc(tx->rows, tx->rows_cap * sizeof(*tx->rows));
    }
    tx->rows[tx->row_count++] = row;
}

int transaction_tell(struct transaction *tx, const struct store_news *news, const int64_t *subjects, size_t count,
                     int64_t *ret_number)
{
    const struct log_engine *log = tx->session.engine->log;
    if (ret_number)
        *ret_number = 0;
    if (!log->tell || count == 0)
        return 0;
    tx->told = true;
    return log->tell(tx, news, subjects, count, ret_number);
}

static void reset(struct transaction *tx)
{
    for (size_t i = 0; i < tx->row_count; i++)
        store_version_end(&tx->session.engine->base, tx->rows[i]);
    for (size_t i = 0; i < tx->change_count; i++)
        chunk_unref(&tx->changes[i].chunk);
    tx->change_count = tx->row_count = 0;
    tx->purges = tx->told = false;
    tx->records = tx->seals = tx->seals_with_records = tx->sealed_records = tx->summaries = 0;
}

static void count(struct transaction *tx, size_t ops, uint64_t ns)
{
    struct engine *engine = tx->session.engine;
    pthread_mutex_lock(&engine->stats_mutex);
    engine->stats.commits++;
    engine->stats.mutations += ops;
    engine->stats.records += tx->records;
    engine->stats.seals += tx->seals;
    engine->stats.seals_with_records += tx->seals_with_records;
    engine->stats.sealed_records += tx->sealed_records;
    engine->stats.summaries += tx->summaries;
    engine->stats.commit_ns_sum += ns;
    engine->stats.commit_buckets[store_bucket(ns)]++;
    pthread_mutex_unlock(&engine->stats_mutex);
}

static void forget_counts(struct transaction *tx)
{
    memset(tx->open_counts, 0, sizeof(tx->open_counts));
    memset(tx->queued_counts, 0, sizeof(tx->queued_counts));
    tx->counted_ms = clock_mono_ms();
}

// Of what others change there is no count, so several servers may let a little more through than one.
static void age_counts(struct transaction *tx)
{
    if (!store_alone(&tx->session.engine->base) && clock_mono_ms() - tx->counted_ms >= OPEN_COUNTS_MS)
        forget_counts(tx);
}

void transaction_committed(struct transaction *tx, size_t ops, uint64_t ns)
{
    heads_committed(&tx->heads);
    count(tx, ops, ns);
    age_counts(tx);
    reset(tx);
}

void transaction_rolled_back(struct transaction *tx)
{
    heads_rolled_back(&tx->heads);
    forget_counts(tx);
    reset(tx);
}

int transaction_shared_now(struct transaction *tx, int64_t *ret_ms)
{
    const struct engine *engine = tx->session.engine;
    if (!engine->base.one_writer && !engine->now_ms)
        return catalogue_now(tx->session.sql, ret_ms);
    *ret_ms = transaction_now_ms(tx);
    return 0;
}
