// The table `chunks`: what is merged, and what is large enough to lie there at once.
#pragma once

#include "model/chunk.h"
#include "store/sqlite/db.h"

#define CHUNK_DIRECT (CHUNK_MERGE_RAW / 2) // payload from which a chunk goes there at once

// A row of it, within a transaction. 0 or a database error.
int chunk_insert(struct db *db, int64_t row, uint64_t first, const struct chunk *chunk);
