// Cuts chunks off the front of a log; STORE_FRONT has looked at what goes.
#include "store/sqlite/merge/merge.h"
#include "store/sqlite/merge/merge_job.h"
#include "store/sqlite/sqlite_log.h"

// Chunks go as a whole, so one must end where the cut is. They may have been merged since they were looked at.
static int ends_at(struct db *db, int64_t row, uint64_t end)
{
    CLEANUP(db_reset) sqlite3_stmt *last = db_statement(db, STATEMENT_CHUNK_AT);
    db_bind_i64(last, 1, row);
    db_bind_u64(last, 2, end - 1);
    int rc = db_row(last);
    if (rc < 0)
        return rc;
    return rc == 1 && db_column_u64(last, 1) + db_column_u64(last, 2) == end ? 0 : ERR_CONFLICT;
}

// A result of the merger replaces exactly what it was made from, so nothing of that may go meanwhile.
static int not_merging(struct sqlite_store *store, int64_t row, uint64_t end)
{
    uint64_t lowest = merge_under_way_from(store->merge, row);
    if (lowest == UINT64_MAX)
        return 0;
    CLEANUP(db_reset) sqlite3_stmt *before = db_statement(&store->db, STATEMENT_CHUNKS_BEFORE);
    db_bind_i64(before, 1, row);
    db_bind_u64(before, 2, lowest);
    db_bind_i64(before, 3, MERGE_REPLACED_MAX);
    int rc;
    while ((rc = db_row(before)) == 1)
        lowest = db_column_u64(before, 1);
    return rc < 0 ? rc : end > lowest ? ERR_HELD : 0;
}

int log_cut(struct transaction *tx, int64_t row, uint64_t end)
{
    struct sqlite_store *store = sqlite_store_of(&tx->session.engine->base);
    int err = ends_at(&store->db, row, end);
    if (err == 0)
        err = not_merging(store, row, end);
    if (err < 0)
        return err;
    sqlite3_stmt *remove = db_statement(&store->db, STATEMENT_CHUNKS_CUT);
    db_bind_i64(remove, 1, row);
    db_bind_u64(remove, 2, end);
    return db_run(remove);
}
