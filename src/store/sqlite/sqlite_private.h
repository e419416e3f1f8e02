// The inside of the SQLite adapter: what its threads share, and which of them may touch what.
#pragma once

#include "store/adapter.h"
#include "store/catalogue/catalogue.h"
#include "store/sqlite/file/vfs.h"
#include "store/sqlite/file/wal_mark.h"
#include "store/sqlite/log/pack.h"
#include "store/sqlite/sqlite_store.h"
#include "store/sqlite/write/gather.h"
#include "store/sqlite/write/heads.h"
#include "util/fair_queue.h"

#define GROUP_BYTES_MAX    (16u * 1024 * 1024)   // of chunks, encoded
#define CHUNK_DIRECT       (CHUNK_MERGE_RAW / 2) // payload from which a chunk goes to `chunks` at once
#define CHECKPOINT_BYTES   (16u * 1024 * 1024)   // of WAL
#define CHECKPOINT_IDLE_MS 2000
#define WAL_KEEP           (512u * 1024) // of the file, without load: cutting it for less would cost the next commits more

// An append of the present transaction, told to the hot index after the commit.
struct appended {
    int64_t row;
    struct log_state state;
    char *producer; // NULL: anonymous
    struct producer_state producer_state;
};

#define OPEN_COUNTS 64
struct open_count {  // unsealed executions of an account, as of the present transaction
    int64_t account; // 0: unused
    uint64_t count;
};

// One transaction. What it changed is collected while operations are applied and used after the commit.
struct group {
    struct store_op **ops;
    size_t op_count;
    struct store_change *changes; // each holds a reference to its chunk
    size_t change_count, changes_cap;
    struct appended *appended;
    size_t appended_count, appended_cap;
    struct pack_builder pack;        // of the appends that are not in a row of `hot` yet
    struct buf pack_meta, pack_body; // scratch
    bool purges;                     // it leaves something to `purging`
    uint64_t records;
};

struct merge;

struct sqlite_store {
    struct store base;
    struct sqlite_tuning tuning;
    char *path;
    int lock_fd;
    struct vfs *vfs;
    struct hot hot;

    // The writer's thread only.
    struct db db;
    struct heads heads;
    struct group group;
    struct open_count open_counts[OPEN_COUNTS];
    int64_t hot_id;     // of the last pack; never given out again, even after a rollback
    uint64_t wal_pages; // in the WAL since it was last checkpointed
    uint64_t page_size;
    struct wal_mark wal_mark;
    uint64_t generation;         // of the database, as of the last commit; see wal_mark.h
    bool generation_due;         // a checkpoint was made since, or tried
    uint64_t vacuum_pages;       // free ones that are to be given back
    uint64_t vacuum_from_ms;     // monotonic; not before
    uint64_t last_commit_ms;     // monotonic
    bool refusing;               // the disk was found full: what needs space is refused until there is some
    uint64_t reserve_held;       // bytes
    int reserve_fd;              // or -1
    uint64_t background_from_ms; // monotonic; merging and purging pause until then
    bool restored;               // it was a copy, or has lost something, once
    bool purging;                // there may be rows in `purging` or `purging_accounts`
    uint64_t account_changes;
    struct merge *merge;

    atomic_bool backing_up;

    // Queues, under `mutex`.
    pthread_mutex_t mutex;
    pthread_cond_t writer_wake, reader_wake;
    pthread_cond_t writer_pause; // the writer gathers; a whole group and the end wake it
    struct gather gather;
    struct fair_queue writer_queue, reader_queue, scan_queue;
    unsigned scanning;   // readers at a scan
    unsigned since_scan; // queries taken while scans waited
    bool stopping;
    pthread_t writer;
    pthread_t *readers;
    unsigned reader_count, reader_max; // that run; that are to
    bool writer_started;

    pthread_mutex_t stats_mutex;
    struct store_stats stats;
};

static inline struct sqlite_store *sqlite_store_of(struct store *store)
{
    return CONTAINER_OF(store, struct sqlite_store, base);
}

int64_t store_now_ms(const struct sqlite_store *store);

// --- writer.c
void *writer_main(void *arg);
// Within a transaction, and after its commit.
int store_raise_generation(struct sqlite_store *store);
void store_generation_committed(struct sqlite_store *store);
void group_add_change(struct group *group, const struct store_change *change);

// Applies one operation within the transaction. The outcome of its own goes to op->err with 0 returned; a negative code is
// returned for what makes the transaction fail. Conditions are checked before anything is written.
typedef int commit_fn(struct sqlite_store *store, struct store_op *op);
#define COMMIT_DECLARATION(NAME, name, ...) commit_fn commit_##name;
STORE_COMMITS(COMMIT_DECLARATION)
#undef COMMIT_DECLARATION
// Changes the outcome as model/outcome.h says, and tells the watcher. Its refusals, or a database error.
int outcome_change(struct sqlite_store *store, struct head *head, const struct outcome_ask *ask);
void announce(struct sqlite_store *store, const struct head *head);
// The execution as this transaction has left it.
int execution_load_changed(struct sqlite_store *store, const struct head *head, struct execution *ret);
// op->err = err for what concerns one operation alone; passes on what makes the transaction fail.
int commit_refuse(struct store_op *op, int err);
// Writes what the group's pack has gathered; to be called before the commit.
int store_flush_pack(struct sqlite_store *store);
// A row of `chunks`.
int chunk_insert(struct db *db, int64_t row, uint64_t first, const struct chunk *chunk);
// Steps over the open count of an account, if it is known.
void open_count_add(struct sqlite_store *store, int64_t account, int by);

// Gone for everybody at once; the chunks follow in slices. What is not sealed is sealed by it, as cancelled unless its
// outcome is known.
int execution_purge(struct sqlite_store *store, int64_t row);

// --- accounts.c
// Purges up to `most` executions of a deleted account. *ret_more: there was such an account.
int account_purge_slice(struct sqlite_store *store, size_t most, bool *ret_more);

// --- reserve.c: a file that keeps some disk aside. It is given up when the disk is full, so that what is in the WAL can be
// moved to the database and a purge can be committed. The writer's thread.
// True if it is there, as large as the WAL makes it; false if there is no room for it and so many bytes more.
bool reserve_make(struct sqlite_store *store, uint64_t spare);
int reserve_cover(void *store, uint64_t wal_bytes); // for vfs_set_cover
bool reserve_settled(const struct sqlite_store *store);
void reserve_settle(struct sqlite_store *store); // as small as the WAL now allows
void reserve_give_up(struct sqlite_store *store);

// --- vacuum.c: room given back to the file system. The writer's thread.
void vacuum_look(struct sqlite_store *store); // whether there is some
bool vacuum_waits(const struct sqlite_store *store, uint64_t now_ms);
uint64_t vacuum_due_in_ms(const struct sqlite_store *store, uint64_t now_ms); // UINT64_MAX: never
void vacuum_slice(struct sqlite_store *store); // a transaction of a few milliseconds, beside those of operations

// --- reader.c and the queries. Each sets op->err.
void *reader_main(void *arg);
typedef void query_fn(struct sqlite_store *store, struct db *db, struct store_op *op);
#define QUERY_DECLARATION(NAME, name, ...) query_fn query_##name;
STORE_QUERIES(QUERY_DECLARATION)
#undef QUERY_DECLARATION
// The execution with the state that its hot chunks led to. ERR_NOT_FOUND.
int execution_load(struct sqlite_store *store, struct db *db, int64_t row, struct execution *ret);
