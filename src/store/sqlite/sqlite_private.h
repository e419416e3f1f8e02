// The state of the SQLite adapter: what its threads share, and which thread may touch what. The functions of each
// subfolder are in headers of its own.
#pragma once

#include "store/engine/write/transaction.h"
#include "store/sqlite/db.h"
#include "store/sqlite/file/vfs.h"
#include "store/sqlite/file/wal_mark.h"
#include "store/sqlite/sqlite_store.h"
#include "store/sqlite/write/appended.h"

struct merge;

struct sqlite_store {
    struct engine engine;
    struct sqlite_tuning tuning;
    char *path;
    int lock_fd;
    struct vfs *vfs;
    struct hot hot;

    // For the writer's thread only.
    struct db db;
    struct transaction tx;
    struct appended appended;
    uint64_t wal_pages; // in the WAL since the last checkpoint
    uint64_t page_size;
    struct wal_mark wal_mark;
    uint64_t generation;         // of the database, as of the last commit; see wal_mark.h
    bool generation_due;         // a checkpoint was made since then, or tried
    uint64_t vacuum_pages;       // free pages that must be given back
    uint64_t vacuum_from_ms;     // monotonic; not before that time
    uint64_t last_commit_ms;     // monotonic
    bool refusing;               // the disk was found full; operations that need space are refused until there is some
    uint64_t reserve_held;       // bytes
    int reserve_fd;              // -1: there is none
    uint64_t background_from_ms; // monotonic; merging and purging pause until then
    bool purging;                // there may be rows in `purging` or `purging_accounts`
    struct merge *merge;

    atomic_bool backing_up;
};

static inline struct sqlite_store *sqlite_store_of(struct store *store)
{
    return CONTAINER_OF(store, struct sqlite_store, engine.base);
}
