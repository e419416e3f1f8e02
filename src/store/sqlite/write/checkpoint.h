// What is in the WAL is moved to the database, the WAL cut, and the generation raised that says so (file/wal_mark.h).
// The writer's thread.
#pragma once

#include "store/sqlite/sqlite_private.h"

#define CHECKPOINT_BYTES   (16u * 1024 * 1024) // of WAL
#define CHECKPOINT_IDLE_MS 2000

// Within the first transaction after a checkpoint, and after its commit.
int store_raise_generation(struct sqlite_store *store);
void store_generation_committed(struct sqlite_store *store);

void checkpoint(struct sqlite_store *store, int mode); // SQLITE_CHECKPOINT_…; tried, never waited for
// Whether something is left to be done for a store without load: the WAL is checkpointed and short, the reserve small.
bool settled(const struct sqlite_store *store);
void settle(struct sqlite_store *store);
