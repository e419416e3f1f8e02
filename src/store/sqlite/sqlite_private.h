// The state of the SQLite adapter: what its threads share, and which thread may touch what. The functions of each
// subfolder are in headers of its own.
#pragma once

#include "store/adapter.h"
#include "store/catalogue/catalogue.h"
#include "store/sqlite/file/vfs.h"
#include "store/sqlite/file/wal_mark.h"
#include "store/sqlite/sqlite_store.h"
#include "store/sqlite/write/gather.h"
#include "store/sqlite/write/group.h"
#include "store/sqlite/write/heads.h"
#include "util/clock.h"
#include "util/fair_queue.h"

#define OPEN_COUNTS 64
struct open_count {  // unsealed executions of an account, as of the present transaction
    int64_t account; // 0: unused
    uint64_t count;
};

struct merge;
struct summary_cache;

struct sqlite_store {
    struct store base;
    struct sqlite_tuning tuning;
    char *path;
    int lock_fd;
    struct vfs *vfs;
    struct hot hot;

    // For the writer's thread only.
    struct db db;
    struct heads heads;
    struct group group;
    struct open_count open_counts[OPEN_COUNTS];
    struct open_count queued_counts[OPEN_COUNTS]; // the jobs among them that wait
    int64_t hot_id;                               // of the last pack; never given out again, even after a rollback
    uint64_t wal_pages;                           // in the WAL since the last checkpoint
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
    bool restored;               // it was a copy once, or has lost something
    bool purging;                // there may be rows in `purging` or `purging_accounts`
    uint64_t account_changes;
    struct merge *merge;
    struct summary_cache *summaries;

    atomic_bool backing_up;
    atomic_bool catching_up; // a summary; see write/summaries.c

    // Queues, protected by `mutex`.
    pthread_mutex_t mutex;
    pthread_cond_t writer_wake, reader_wake;
    pthread_cond_t writer_pause; // the writer gathers; a complete group and the end wake it
    struct gather gather;
    struct fair_queue writer_queue, reader_queue, scan_queue;
    unsigned scanning;   // readers that work on a scan
    unsigned since_scan; // queries that were taken while scans waited
    bool stopping;
    pthread_t writer;
    pthread_t *readers;
    unsigned reader_count, reader_max; // how many run, and how many must run
    bool writer_started;

    pthread_mutex_t stats_mutex;
    struct store_stats stats;
};

static inline struct sqlite_store *sqlite_store_of(struct store *store)
{
    return CONTAINER_OF(store, struct sqlite_store, base);
}

static inline int64_t store_now_ms(const struct sqlite_store *store)
{
    return store->tuning.now_ms ? store->tuning.now_ms(store->tuning.now_arg) : clock_real_ms();
}
