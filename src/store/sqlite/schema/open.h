// The steps of opening a store, in their order.
#pragma once

#include "store/sqlite/sqlite_private.h"

#define STORE_BACKUP_MARK "backup" // the name of the row in `meta` that marks a copy

// Takes the lock beside the file; it is held until the descriptor is closed. ERR_CONFLICT with a text.
int store_lock(const char *path, struct buf *ret_error, int *ret_fd);
// Whether the file is ours, and not of a newer program: ERR_CONFLICT, ERR_TOO_NEW with a text. Nothing is written.
// *ret_version is that of its schema; 0: it is new.
int store_check_version(struct db *db, const char *path, struct buf *ret_error, int *ret_version);
// Settings, and the schema `to` (schema_migrate). Then it is in rollback mode if it is new, or gets a new incarnation.
// `version`: what store_check_version said.
int store_prepare(struct db *db, const char *path, uint32_t page_size, int version, int to, bool lost,
                  struct buf *ret_error);
// Into WAL mode, once nothing beside the WAL itself is to be changed any more.
int store_begin_wal(struct db *db);
// Reads or makes the store's incarnation. A marked copy gets a new one and loses its mark: *ret_restored. So does a
// store that has lost commits.
int store_incarnation_load(struct sqlite_store *store, bool lost, bool *ret_restored);
int store_secret_load(struct sqlite_store *store); // or makes it
