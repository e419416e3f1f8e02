#include "store/sqlite/log/chunks.h"

int chunk_insert(struct db *db, int64_t row, uint64_t first, const struct chunk *chunk)
{
    sqlite3_stmt *insert = db_statement(db, STATEMENT_CHUNK_INSERT);
    db_bind_i64(insert, 1, row);
    db_bind_u64(insert, 2, first);
    db_bind_i64(insert, 3, chunk_count(chunk));
    db_bind_i64(insert, 4, chunk_time_min(chunk));
    db_bind_i64(insert, 5, chunk_time_max(chunk));
    db_bind_u64(insert, 6, chunk_raw(chunk));
    db_bind_blob(insert, 7, chunk_encoded(chunk));
    return db_run(insert);
}
