#include "store/sqlite/write/purge.h"

#include "store/engine/write/purge.h"
#include "store/sqlite/sqlite_log.h"

#define PURGE_AT_ONCE 64 // executions
#define PURGE_CHUNKS  32 // with so many, no further execution is begun

int log_purge(struct transaction *tx, int64_t row)
{
    sqlite3_stmt *chunks = db_statement(tx->session.connection, STATEMENT_PURGING_INSERT);
    db_bind_i64(chunks, 1, row);
    return db_run(chunks);
}

// --- Slices

// Deletes some chunks of one purged execution, and with the last ones what else is left of it. Returns 1 if there was
// one.
static int purge_one(struct sqlite_store *store, int *ret_chunks)
{
    sqlite3_stmt *next = db_statement(&store->db, STATEMENT_PURGING_NEXT);
    int rc = db_row(next);
    if (rc <= 0)
        return rc;
    int64_t row = db_column_i64(next, 0);
    db_reset(&next);
    sqlite3_stmt *slice = db_statement(&store->db, STATEMENT_PURGE_SLICE);
    db_bind_i64(slice, 1, row);
    int err = db_run(slice);
    if (err < 0)
        return err;
    *ret_chunks = sqlite3_changes(store->db.handle);
    bool more = false;
    err = *ret_chunks == 0 ? catalogue_events_forget(store->db.sql, row, &more) : 0;
    if (err < 0 || more) {
        *ret_chunks = PURGE_CHUNKS;
        return err < 0 ? err : 1;
    }
    static const enum statement last[] = {STATEMENT_PRODUCERS_DELETE, STATEMENT_PURGING_DELETE};
    for (size_t i = 0; i < ARRAY_LEN(last) && err == 0 && *ret_chunks == 0; i++) {
        sqlite3_stmt *step = db_statement(&store->db, last[i]);
        db_bind_i64(step, 1, row);
        err = db_run(step);
    }
    return err < 0 ? err : 1;
}

// Many executions that hold little go together, unless the disk is full: the reserve is for few pages.
int purge_slice(struct sqlite_store *store)
{
    if (!store->purging)
        return 0;
    unsigned most = store->refusing ? 1 : PURGE_AT_ONCE;
    int chunks = 0, rc = 1;
    for (unsigned i = 0; i < most && chunks < PURGE_CHUNKS && rc > 0; i++) {
        int gone = 0;
        rc = purge_one(store, &gone);
        chunks += gone;
    }
    if (rc == 0)
        rc = account_purge_slice(&store->tx, most, &store->purging);
    return MIN(rc, 0);
}
