// Copies of a store's file.
#pragma once

#include "store/sqlite/sqlite_private.h"

// The store that `from` reads, as of one moment, into the empty file `path`: compact, marked as a copy, in rollback
// mode. Not synced. A text in *ret_error.
int store_copy(struct db *from, const char *path, struct buf *ret_error);
// Removes what a backup has left that was under way when the process was killed.
void store_backup_clear(struct sqlite_store *store);
