// The steps of opening a store, in order.
#pragma once

#include "store/copy/meta.h"
#include "store/sqlite/sqlite_private.h"

// Takes the lock beside the file. It is held until the descriptor is closed. Returns ERR_CONFLICT with a text.
int store_lock(const char *path, struct buf *ret_error, int *ret_fd);
// Checks whether the file is ours, and not of a newer program, nor an unfinished copy: ERR_CONFLICT or ERR_TOO_NEW with
// a text. Writes nothing. *ret_version is the number of its schema; 0: it is new. The second one allows such a copy.
int store_check_version(struct db *db, const char *path, struct buf *ret_error, int *ret_version);
int store_check_file(struct db *db, const char *path, struct buf *ret_error, int *ret_version);
// Sets the settings, and migrates to the schema `to` (schema_migrate). Afterwards it is in rollback mode if it is new,
// or gets a new incarnation. `version` is what store_check_version returned.
int store_prepare(struct db *db, const char *path, uint32_t page_size, int version, int to, bool lost,
                  struct buf *ret_error);
// Changes to WAL mode, when only the WAL has to be changed from now on.
int store_begin_wal(struct db *db);
// Reads the incarnation of the store, or makes it. A marked copy gets a new one and loses its mark; then *ret_restored
// is true. So does a store that has lost commits.
int store_incarnation_load(struct sqlite_store *store, bool lost, bool *ret_restored);
int store_secret_load(struct sqlite_store *store); // reads it, or makes it
