// The reader threads. Each takes one query at a time, on a connection of its own.
#include "store/sqlite/read/reader.h"

#include "store/sqlite/read/query.h"

#define QUERY(NAME, name, ...) [STORE_##NAME] = query_##name,
static query_fn *const queries[STORE_OP_KINDS] = {STORE_QUERIES(QUERY)};

// Scans leave one reader for short queries. While no scan is under way, at most so many short queries may pass a scan
// that waits.
#define PASSING_MAX 16

static struct list_node *take_query(struct sqlite_store *store)
{
    bool scan_waits = store->scan_queue.count > 0, short_waits = store->reader_queue.count > 0;
    bool may_scan = store->scanning + 1 < MAX(store->reader_max, 2u);
    bool overdue = store->scanning == 0 && store->since_scan >= PASSING_MAX;
    if (scan_waits && may_scan && (!short_waits || overdue)) {
        store->since_scan = 0;
        store->scanning++;
        return fair_queue_pop(&store->scan_queue);
    }
    store->since_scan += scan_waits && short_waits;
    return fair_queue_pop(&store->reader_queue);
}

static struct store_op *next_query(struct sqlite_store *store)
{
    struct list_node *node;
    pthread_mutex_lock(&store->mutex);
    while (!(node = take_query(store)) && (!store->stopping || store->scan_queue.count))
        pthread_cond_wait(&store->reader_wake, &store->mutex);
    pthread_mutex_unlock(&store->mutex);
    return node ? CONTAINER_OF(node, struct store_op, node) : NULL;
}

// Another scan may wait only for the end of this one.
static void scan_ended(struct sqlite_store *store)
{
    pthread_mutex_lock(&store->mutex);
    store->scanning--;
    bool more = store->scan_queue.count > 0 || store->stopping;
    pthread_mutex_unlock(&store->mutex);
    if (more)
        pthread_cond_broadcast(&store->reader_wake);
}

static int reader_open(struct sqlite_store *store, struct db *db)
{
    int err = db_open(db, store->path, vfs_name(store->vfs), DB_READER);
    return err < 0 ? err : db_exec(db, "PRAGMA query_only = 1; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY");
}

static void run_query(struct sqlite_store *store, struct db *db, struct store_op *op)
{
    uint64_t began_ns = clock_mono_ns();
    queries[op->kind](store, db, op);
    uint64_t ns = clock_mono_ns() - began_ns;
    pthread_mutex_lock(&store->stats_mutex);
    store->stats.read_ns_sum += ns;
    store->stats.read_buckets[MIN(vfs_bucket(ns), ARRAY_LEN(store->stats.read_buckets) - 1)]++;
    pthread_mutex_unlock(&store->stats_mutex);
}

void *reader_main(void *arg)
{
    struct sqlite_store *store = arg;
    struct db db;
    int opened = reader_open(store, &db);
    struct store_op *op;
    while ((op = next_query(store))) {
        if (opened < 0) { // the disk may have been full, without room for the index of the WAL
            db_close(&db);
            opened = reader_open(store, &db);
        }
        op->err = opened;
        if (opened == 0)
            run_query(store, &db, op);
        if (op->process)
            op->process(op);
        if (op->scan)
            scan_ended(store);
        store_reply(op);
    }
    db_close(&db);
    return NULL;
}
