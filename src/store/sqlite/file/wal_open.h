// The WAL, before SQLite sees it, and its mark.
#pragma once

#include "store/sqlite/file/wal_check.h"
#include "store/sqlite/sqlite_private.h"

struct wal_found {
    struct wal_facts facts;
    uint64_t lost; // bytes of commits that should be there and are not
};
// Sets aside what is not the store's own, and says in the log what is lost. ERR_CONFLICT with a text if somebody has to
// decide.
int store_wal_check(struct sqlite_store *store, struct wal_found *ret, struct buf *ret_error);
// Opens the mark; from then on it is kept.
int store_wal_mark(struct sqlite_store *store, const struct wal_found *found, struct buf *ret_error);
// After the store was opened: reads its generation, and nothing of what was lost is to be told any more.
int store_wal_settle(struct sqlite_store *store);
