#include "store/sqlite/log/chunks.h"

struct chunk_row {
    uint64_t first, raw;
    uint32_t count;
    int64_t time_min, time_max;
    struct str bytes;
};

static int insert_row(struct db *db, int64_t row, const struct chunk_row *chunk)
{
    sqlite3_stmt *insert = db_statement(db, STATEMENT_CHUNK_INSERT);
    db_bind_i64(insert, 1, row);
    db_bind_u64(insert, 2, chunk->first);
    db_bind_i64(insert, 3, chunk->count);
    db_bind_i64(insert, 4, chunk->time_min);
    db_bind_i64(insert, 5, chunk->time_max);
    db_bind_u64(insert, 6, chunk->raw);
    db_bind_blob(insert, 7, chunk->bytes);
    return db_run(insert);
}

int chunk_insert(struct db *db, int64_t row, uint64_t first, const struct chunk *chunk)
{
    return insert_row(db, row,
                      &(struct chunk_row){.first = first,
                                          .raw = chunk_raw(chunk),
                                          .count = chunk_count(chunk),
                                          .time_min = chunk_time_min(chunk),
                                          .time_max = chunk_time_max(chunk),
                                          .bytes = chunk_encoded(chunk)});
}

int chunk_insert_piece(struct db *db, int64_t row, const struct hot_piece *piece, struct str bytes)
{
    return insert_row(db, row,
                      &(struct chunk_row){.first = piece->first,
                                          .raw = piece->raw,
                                          .count = piece->count,
                                          .time_min = piece->time_max, // the only one that its pack says
                                          .time_max = piece->time_max,
                                          .bytes = bytes});
}
