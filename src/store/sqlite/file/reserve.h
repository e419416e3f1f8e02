// A file that keeps some disk space aside. It is given up when the disk is full, so that the WAL can be moved to the
// database and a purge can be committed. For the writer's thread.
#pragma once

#include "store/sqlite/sqlite_private.h"

// True if the reserve exists and is as large as the WAL needs. False if there is no room for it and for `spare` more
// bytes.
bool reserve_make(struct sqlite_store *store, uint64_t spare);
int reserve_cover(void *store, uint64_t wal_bytes); // for vfs_set_cover
bool reserve_settled(const struct sqlite_store *store);
void reserve_settle(struct sqlite_store *store); // makes it as small as the WAL now allows
void reserve_give_up(struct sqlite_store *store);
