#include "store/sqlite/sqlite_log.h"
#include "store/sqlite/sqlite_private.h"

int log_purge(struct transaction *tx, int64_t row, bool by_age)
{
    (void)by_age;
    sqlite3_stmt *chunks = db_statement(tx->session.connection, STATEMENT_PURGING_INSERT);
    db_bind_i64(chunks, 1, row);
    return db_run(chunks);
}

int log_purge_next(struct transaction *tx, int64_t *ret_row)
{
    CLEANUP(db_reset) sqlite3_stmt *next = db_statement(tx->session.connection, STATEMENT_PURGING_NEXT);
    int rc = db_row(next);
    *ret_row = rc == 1 ? db_column_i64(next, 0) : 0;
    return rc;
}

int log_purge_chunks(struct transaction *tx, int64_t row, uint64_t *ret_count)
{
    struct db *db = tx->session.connection;
    sqlite3_stmt *slice = db_statement(db, STATEMENT_PURGE_SLICE);
    db_bind_i64(slice, 1, row);
    int err = db_run(slice);
    *ret_count = err == 0 ? (uint64_t)sqlite3_changes(db->handle) : 0;
    return err;
}

int log_purge_end(struct transaction *tx, int64_t row)
{
    static const enum statement last[] = {STATEMENT_PRODUCERS_DELETE, STATEMENT_PURGING_DELETE};
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(last) && err == 0; i++) {
        sqlite3_stmt *step = db_statement(tx->session.connection, last[i]);
        db_bind_i64(step, 1, row);
        err = db_run(step);
    }
    return err;
}
