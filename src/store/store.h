// The port to durable storage. Everything is asynchronous: an operation is embedded in the caller's struct, handed in, and
// comes back by `done` on the thread of its `reply_to` loop. Thread-safe. Strings and chunks given in must live until `done`;
// what comes out is owned by the operation's struct and released by store_op_release (after `done`, by the caller).
//
// Commits: whatever has gathered since the last one is one transaction (group commit), in the order of submission within an
// account, and in turn between accounts. Queries are taken in turn, too; those that are short before scans. An operation
// whose conditions do not hold fails alone; a transaction that fails, fails each of its operations (ERR_STORE_FULL,
// ERR_NO_FILES, ERR_NOMEM, ERR_UNAVAILABLE); nothing of it was applied then. An fsync error ends the process. `done` comes after durability.
#pragma once

#include "store/op.h"
#include "store/ops/account.h"
#include "store/ops/backup.h"
#include "store/ops/execution.h"
#include "store/ops/key.h"
#include "store/ops/record.h"

#include <stdatomic.h>

struct store;

// --- Watching: what each commit changed, on the writer's thread, in commit order, after durability and before `done`s.
struct store_change {
    int64_t row;
    uint64_t first;      // of `chunk`
    struct chunk *chunk; // NULL if no records came; borrowed during the call
    uint64_t arrived_ns; // submitted_ns of the operation
    uint64_t next;
    enum execution_status status;
    bool sealed, purged, has_exit_code;
    int exit_code;
};
typedef void store_watch_fn(void *arg, const struct store_change *changes, size_t count);

struct store_stats {
    uint64_t commits, mutations, records, commit_ns_sum, bytes; // bytes: of the store's files
    uint64_t wal_lost; // bytes of commits that the last opening did not find; 0: all was there
    uint64_t queue;    // operations waiting
    int write_error; // why the last commit failed: ERR_STORE_FULL, ERR_NO_FILES, ERR_NOMEM, ERR_UNAVAILABLE; 0: it did not
    // Latency histograms: bucket i counts commits of < 2^i * 64 µs.
    uint64_t commit_buckets[20];
    uint64_t fsync_buckets[20], fsync_ns_sum, fsyncs;
};

// --- The port
struct store_vtable {
    const char *name;
    void (*submit)(struct store *store, struct store_op *op);
    void (*stats)(struct store *store, struct store_stats *ret);
    void (*stop)(struct store *store);
    void (*free)(struct store *store);
};
#define STORE_VERSION_SLOTS 32768
#define STORE_SECRET_LEN    32
struct store { // adapters embed it
    const struct store_vtable *vtable;
    _Atomic uint64_t versions[STORE_VERSION_SLOTS];
    char incarnation[27];
    uint8_t secret[STORE_SECRET_LEN];
    store_watch_fn *watch;
    void *watch_arg;
    const struct logger *logger;
};

void store_submit(struct store *store, struct store_op *op); // never fails at once: errors come by done
// Before the first commit; one watcher.
void store_watch(struct store *store, store_watch_fn *watch, void *arg);
const char *store_incarnation(const struct store *store);
// Random, made with the store, kept in it and told to nobody: what is given out sealed is sealed with it.
const uint8_t *store_secret(const struct store *store);
void store_stats(struct store *store, struct store_stats *ret);

// --- Versions: how whoever keeps an execution knows that it still is as it was (store/execution_cache.h). A row's version is
// odd from before a transaction that may change the execution until the outcome is visible to every query, and an even number
// never seen before afterwards; nobody hears of the outcome earlier than that. Rows share slots, so a version may change
// without need, never the other way round.
uint64_t store_version(const struct store *store, int64_t row);

// Commits what was handed in, checkpoints and ends the threads; what is submitted afterwards gets ERR_SHUTTING_DOWN.
void store_stop(struct store *store);
void store_free(struct store **store); // stops it if need be, closes
