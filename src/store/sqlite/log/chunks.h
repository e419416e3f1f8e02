// The table `chunks`: merged chunks, and those that were large enough to go there at once.
#pragma once

#include "model/chunk.h"
#include "store/sqlite/db.h"
#include "store/sqlite/log/hot.h"

#define CHUNK_DIRECT (CHUNK_MERGE_RAW / 2) // from this payload on, a chunk goes there at once

// Inserts a row, within a transaction. Returns 0 or a database error.
int chunk_insert(struct db *db, int64_t row, uint64_t first, const struct chunk *chunk);
// Does the same for a chunk of which only the bytes are known.
int chunk_insert_piece(struct db *db, int64_t row, const struct hot_piece *piece, struct str bytes);
