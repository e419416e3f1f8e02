// Moves the WAL to the database, cuts the WAL, and raises the generation that tells this (file/wal_mark.h). For the
// writer's thread.
#pragma once

#include "store/sqlite/sqlite_private.h"

#define CHECKPOINT_BYTES   (16u * 1024 * 1024) // size of the WAL
#define CHECKPOINT_IDLE_MS 2000

// Called within the first transaction after a checkpoint, and after its commit.
int store_raise_generation(struct sqlite_store *store);
void store_generation_committed(struct sqlite_store *store);

void checkpoint(struct sqlite_store *store, int mode); // SQLITE_CHECKPOINT_…; tried once, without waiting
// Whether nothing is left to do without load: the WAL is checkpointed and short, and the reserve is small.
bool settled(const struct sqlite_store *store);
void settle(struct sqlite_store *store);
