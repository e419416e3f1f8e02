// The steps of opening a store, in their order.
#pragma once

#include "store/sqlite/sqlite_private.h"

#define STORE_BACKUP_MARK "backup" // the name of the row in `meta` that marks a copy

// Takes the lock beside the file; it is held until the descriptor is closed. ERR_CONFLICT with a text.
int store_lock(const char *path, struct buf *ret_error, int *ret_fd);
// Settings and schema. ERR_TOO_NEW with a text, and the file is as it was.
int store_prepare(struct db *db, const char *path, uint32_t page_size, struct buf *ret_error);
// Fills the hot index from the hot table.
int store_hot_load(struct sqlite_store *store);
// Reads or makes the store's incarnation. A marked copy gets a new one and loses its mark: *ret_restored.
int store_incarnation_load(struct sqlite_store *store, bool *ret_restored);
int store_secret_load(struct sqlite_store *store); // or makes it
