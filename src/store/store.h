// The port to durable storage. Everything is asynchronous: an operation is embedded in the caller's struct, handed in,
// and comes back by `done` on the thread of its `reply_to` loop. Thread-safe. Strings and chunks given in must live
// until `done`; what comes out is owned by the operation's struct and released by store_op_release (after `done`, by
// the caller).
//
// Commits: whatever has gathered since the last one is one transaction (group commit), in the order of submission
// within an account, and in turn between accounts. Queries are taken in turn, too; those that are short before scans.
// An operation whose conditions do not hold fails alone; a transaction that fails, fails each of its operations
// (ERR_STORE_FULL, ERR_NO_FILES, ERR_NOMEM, ERR_UNAVAILABLE); nothing of it was applied then. An fsync error ends the
// process. `done` comes after durability.
#pragma once

#include "store/op.h"
#include "store/ops/account.h"
#include "store/ops/backup.h"
#include "store/ops/batch.h"
#include "store/ops/execution.h"
#include "store/ops/job.h"
#include "store/ops/key.h"
#include "store/ops/node.h"
#include "store/ops/record.h"

struct store;

// --- Watching: what each commit changed, in commit order, after durability and before `done`s.
struct store_change { // of one execution; what it points to is borrowed during the call
    int64_t row, account;
    struct str batch_id, workflow_id; // empty: none
    uint64_t first;                   // of `chunk`
    struct chunk *chunk;              // NULL if no records came
    int64_t batch;                    // row of the batch that counts it; 0: none. Of a batch alone: `row` is 0
    bool ready;                       // it became ready for a worker
    bool unsettled;                   // something ended: STORE_JOB_SETTLE has something to do
    uint64_t arrived_ns;              // submitted_ns of the operation
    uint64_t next;
    enum execution_status status;
    bool sealed, purged, has_exit_code;
    int exit_code;
};
// On the thread of the store that commits, which waits for it.
typedef void store_watch_fn(void *arg, const struct store_change *changes, size_t count);

#define STORE_WATCHERS_MAX 8

struct store_stats {
    uint64_t commits, mutations, records, commit_ns_sum, bytes; // bytes: of the store's files
    uint64_t wal_lost; // bytes of commits that the last opening did not find; 0: all was there
    uint64_t queue;    // operations waiting
    int write_error; // why the last commit failed: ERR_STORE_FULL, ERR_NO_FILES, ERR_NOMEM, ERR_UNAVAILABLE; 0: it did
                     // not
    // Latency histograms: bucket i counts commits of < 2^i * 64 µs.
    uint64_t commit_buckets[20];
    uint64_t fsync_buckets[20], fsync_ns_sum, fsyncs;
};

#define STORE_SECRET_LEN 32

// Never fails at once: errors come by done. ERR_UNSUPPORTED for a backup by a store that makes none.
void store_submit(struct store *store, struct store_op *op);
// Before the first operation is handed in, for as long as the store is there; all are called, in the order in which
// they were added. ERR_OVERLOADED when there are STORE_WATCHERS_MAX.
int store_watch(struct store *store, store_watch_fn *watch, void *arg);
const char *store_incarnation(const struct store *store);
// Random, made with the store, kept in it and told to nobody: what is given out sealed is sealed with it.
const uint8_t *store_secret(const struct store *store);
// False, and nothing but zeros, for a store that keeps no figures.
bool store_stats(struct store *store, struct store_stats *ret);

// Whether this process alone writes to it, for as long as it has it open. Then it need not say that it is still there
// (store/ops/node.h).
bool store_alone(const struct store *store);

// How whoever keeps an execution knows that it still is as it was (store/execution_cache.h). A row's version is odd
// from before a transaction that may change the execution until the outcome is visible to every query, and an even
// number never seen before afterwards; nobody hears of the outcome earlier than that. Rows share slots, so a version
// may change without need, never the other way round. Of a store that cannot know, as others write to it too, it is
// odd for ever: nothing is kept.
uint64_t store_version(const struct store *store, int64_t row);

// Commits what was handed in, checkpoints and ends the threads; what is submitted afterwards gets ERR_SHUTTING_DOWN.
void store_stop(struct store *store);
void store_free(struct store **store); // stops it if need be, closes
