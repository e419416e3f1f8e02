// The reader threads: each takes one query at a time, on a connection of its own.
#include "store/sqlite/sqlite_private.h"

static query_fn *const queries[STORE_OP_KINDS] = {
    [STORE_GET] = query_get,
    [STORE_LIST] = query_list,
    [STORE_READ] = query_read,
    [STORE_PRODUCER] = query_producer,
    [STORE_KEY_FIND] = query_key_find,
    [STORE_KEY_LIST] = query_key_list,
    [STORE_ACCOUNT_LIST] = query_account_list,
    [STORE_COUNT_OPEN] = query_count_open,
    [STORE_BACKUP] = query_backup,
};

static struct store_op *next_query(struct sqlite_store *store)
{
    pthread_mutex_lock(&store->mutex);
    while (list_empty(&store->reader_queue) && !store->stopping)
        pthread_cond_wait(&store->reader_wake, &store->mutex);
    struct store_op *op = NULL;
    if (!list_empty(&store->reader_queue)) {
        op = CONTAINER_OF(store->reader_queue.next, struct store_op, node);
        list_remove(&op->node);
    }
    pthread_mutex_unlock(&store->mutex);
    return op;
}

static int reader_open(struct sqlite_store *store, struct db *db)
{
    int err = db_open(db, store->path, vfs_name(store->vfs), DB_READER);
    return err < 0 ? err : db_exec(db, "PRAGMA query_only = 1; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY");
}

void *reader_main(void *arg)
{
    struct sqlite_store *store = arg;
    struct db db;
    int opened = reader_open(store, &db);
    struct store_op *op;
    while ((op = next_query(store))) {
        if (opened < 0) { // the disk may have been full for the WAL's index
            db_close(&db);
            opened = reader_open(store, &db);
        }
        op->err = opened;
        if (opened == 0)
            queries[op->kind](store, &db, op);
        if (op->process)
            op->process(op);
        op_reply(op);
    }
    db_close(&db);
    return NULL;
}
