// The reader threads. Each takes one query at a time, on a connection of its own.
#include "store/sqlite/read/reader.h"

#include "store/engine/read/query.h"
#include "store/sqlite/sqlite_private.h"

static int reader_open(struct sqlite_store *store, struct db *db)
{
    int err = db_open(db, store->path, vfs_name(store->vfs), DB_READER);
    return err < 0 ? err : db_exec(db, "PRAGMA query_only = 1; PRAGMA cache_size = -8192; PRAGMA temp_store = MEMORY");
}

void *reader_main(void *arg)
{
    struct sqlite_store *store = arg;
    struct queues *queues = &store->engine.queues;
    struct db db;
    int opened = reader_open(store, &db);
    struct store_op *op;
    while ((op = queues_next_query(queues))) {
        if (opened < 0) { // the disk may have been full, without room for the index of the WAL
            db_close(&db);
            opened = reader_open(store, &db);
        }
        op->err = opened;
        bool scan = op->scan;
        bool done =
            opened < 0 || query_op(&(struct session){.engine = &store->engine, .sql = db.sql, .connection = &db}, op);
        if (done && op->process)
            op->process(op);
        if (scan)
            queues_scan_ended(queues);
        if (!done)
            continue;
        store_reply(op);
    }
    db_close(&db);
    return NULL;
}
