// The table `chunks`: what is merged, and what is large enough to lie there at once.
#pragma once

#include "model/chunk.h"
#include "store/sqlite/db.h"
#include "store/sqlite/log/hot.h"

#define CHUNK_DIRECT (CHUNK_MERGE_RAW / 2) // payload from which a chunk goes there at once

// A row of it, within a transaction. 0 or a database error.
int chunk_insert(struct db *db, int64_t row, uint64_t first, const struct chunk *chunk);
// The same for one whose bytes are all that there is to know.
int chunk_insert_piece(struct db *db, int64_t row, const struct hot_piece *piece, struct str bytes);
