// Copies of a store's file.
#pragma once

#include "store/sqlite/sqlite_private.h"

// Copies the store that `from` reads, as it is at one moment, into the empty file `path`. The copy is compact, marked,
// in rollback mode, and not synced. On error *ret_error has a text.
int store_copy(struct db *from, const char *path, struct buf *ret_error);
// Removes what is left of a backup that was under way when the process was killed.
void store_backup_clear(struct sqlite_store *store);
