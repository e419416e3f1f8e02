// The check of the WAL before SQLite sees it, and its mark.
#pragma once

#include "store/sqlite/file/wal_check.h"
#include "store/sqlite/sqlite_private.h"

struct wal_found {
    struct wal_facts facts;
    uint64_t lost; // bytes of commits that are missing
};
// Sets aside a WAL that is not the store's own, and logs what is missing. Returns ERR_CONFLICT with a text if a person
// has to decide.
int store_wal_check(struct sqlite_store *store, struct wal_found *ret, struct buf *ret_error);
// Opens the mark. From then on it is kept up to date.
int store_wal_mark(struct sqlite_store *store, const struct wal_found *found, struct buf *ret_error);
// Called after the store was opened: reads its generation, and notes that the loss was handled.
int store_wal_settle(struct sqlite_store *store);
