// The port to durable storage. Everything is asynchronous: an operation is embedded in the caller's struct, submitted,
// and comes back by `done` on the thread of its loop `reply_to`. Thread-safe. Strings and chunks that go in must live
// until `done`. Results are owned by the operation's struct; the caller frees them with store_op_release, after `done`.
//
// Commits: all operations that have gathered since the last commit are one transaction (group commit). Within an
// account they are in the order of submission; accounts take turns. Queries take turns, too, and short ones come before
// scans. If the conditions of an operation do not hold, it fails alone. If a transaction fails, each of its operations
// fails (ERR_STORE_FULL, ERR_NO_FILES, ERR_NOMEM, ERR_UNAVAILABLE), and nothing of it was applied. An fsync error ends
// the process. `done` comes after durability.
#pragma once

#include "store/op.h"
#include "store/ops/account.h"
#include "store/ops/artifact.h"
#include "store/ops/backup.h"
#include "store/ops/batch.h"
#include "store/ops/cold.h"
#include "store/ops/execution.h"
#include "store/ops/job.h"
#include "store/ops/key.h"
#include "store/ops/mirror.h"
#include "store/ops/node.h"
#include "store/ops/quiet.h"
#include "store/ops/record.h"
#include "store/ops/retention.h"
#include "store/ops/secret.h"
#include "store/ops/shard.h"
#include "store/ops/summary.h"
#include "store/ops/ticket.h"
#include "store/ops/waiting.h"
#include "store/ops/workflow.h"

struct store;

// --- Watching: what each commit has changed, in the order of commits, after durability and before `done`. Of what
// other servers of the store commit, watchers hear too, and may hear late, twice, out of order or not at all: those
// changes are `elsewhere`, and a reason to look into the store. Of their records they have only the numbers.
struct store_change { // of one execution; what it points to is borrowed during the call
    // By another server: only row, account, batch, next, front, status and the flags are set. A seal is final; a status
    // may be older than what is known.
    bool elsewhere;
    bool missed; // with `elsewhere`, and nothing else: what others have changed was not heard of
    int64_t row, account;
    struct str batch_id, workflow_id; // empty: none
    uint64_t first;                   // sequence number of the first record of `chunk`
    struct chunk *chunk;              // NULL if no records came
    // Row of the batch that counts it; 0: none. If only a batch has changed, `row` is 0.
    int64_t batch;
    bool ready;           // a worker may take it now
    bool unsettled;       // something has ended: STORE_JOB_SETTLE has something to do
    uint64_t arrived_ns;  // submitted_ns of the operation
    uint64_t next, front; // the end of the log, and the first record that retention has kept
    enum execution_status status;
    bool sealed, purged, has_exit_code;
    int exit_code;
    int64_t started_ms, completed_ms, sealed_ms; // realtime; 0: not yet
};
// Called on a thread of the store that waits for it; one call at a time.
typedef void store_watch_fn(void *arg, const struct store_change *changes, size_t count);

#define STORE_WATCHERS_MAX 8

// --- News: what servers that share the store must tell each other beyond that. They are rows of the store, written
// with what they tell of, so everybody hears them: at once by a hint, or within a second or two. A server that has the
// store alone writes none. Nobody hears its own.
enum store_news_kind {
    NEWS_CANCEL,      // the runner of execution `subject` is to cancel; `words` says why
    NEWS_KEY_REVOKED, // `subject`: its row
    NEWS_ACCOUNT,     // `account` has the state `value` (enum account_state); `number` rises with each change of it
    NEWS_WORKER,      // the worker `words` of `account` is to take no more jobs (`value` 1), or some again (0)
    NEWS_MISSED,      // this server was cut off for so long that news are gone: whatever it remembers may be old
    NEWS_KINDS
};
struct store_news {
    enum store_news_kind kind;
    int64_t number, account, subject, value;
    struct str words; // borrowed during the call
};
typedef void store_hear_fn(void *arg, const struct store_news *news); // called as store_watch_fn

#define STORE_BUCKETS \
    20 // of a latency histogram: bucket i counts those of < 2^i * 64 µs; the last one, slower ones too

struct store_stats {
    uint64_t commits, mutations, records, commit_ns_sum;
    bool in_files;     // of this process; otherwise nothing is known of them: `bytes`, `wal_lost`, `fsync_…` are 0
    uint64_t bytes;    // of the files
    uint64_t wal_lost; // bytes of commits that were missing at the last opening; 0: none were missing
    uint64_t queue;    // operations that wait
    uint64_t commit_age_ns; // since the commit under way has begun; 0: none is under way
    int write_error; // why the last commit failed: ERR_STORE_FULL, ERR_NO_FILES, ERR_NOMEM, ERR_UNAVAILABLE; 0: it did
                     // not
    uint64_t commit_buckets[STORE_BUCKETS];
    uint64_t fsync_buckets[STORE_BUCKETS], fsync_ns_sum;
    uint64_t read_buckets[STORE_BUCKETS], read_ns_sum;  // of queries
    uint64_t seals, seals_with_records, sealed_records; // logs that were sealed, and their records
    uint64_t summaries;                                 // that were stored, of logs that grow or were asked for
    uint64_t summary_chunks;                            // that were read to count logs
    uint64_t journaled;                                 // commits of appends for which nothing was locked or read
    uint64_t journals_lost;                             // times that another server has brought this one's journal home
};

#define STORE_SECRET_LEN 32

// Never fails at once: errors come by `done`. ERR_UNSUPPORTED for a backup if the store makes none.
void store_submit(struct store *store, struct store_op *op);
// Must be called before the first operation of which it is to hear; it lasts as long as the store. All watchers are
// called, in the order in which they were added. ERR_OVERLOADED if there are STORE_WATCHERS_MAX already.
int store_watch(struct store *store, store_watch_fn *watch, void *arg);
// One hears, from then on.
void store_hear(struct store *store, store_hear_fn *hear, void *arg);
const char *store_incarnation(const struct store *store);
// Several stores may be one (store/shards/): then the number of the store that has an execution stands above its row
// there. A row of a store that is alone is below that.
#define STORE_SHARD_SHIFT 48
static inline unsigned store_shard_of(int64_t row)
{
    return (unsigned)((uint64_t)row >> STORE_SHARD_SHIFT) % STORE_SHARDS_MAX;
}
static inline int64_t store_row_within(int64_t row)
{
    return row & (((int64_t)1 << STORE_SHARD_SHIFT) - 1);
}
// Random bytes that were made with the store and are kept in it. They are told to nobody; what is given out sealed is
// encrypted with them.
const uint8_t *store_secret(const struct store *store);
// Returns false and zeros if the store keeps no figures.
bool store_stats(struct store *store, struct store_stats *ret);

// NULL, or if what carries hints between the servers of the store is away, so that each looks once a second, a constant
// text for anybody that says so. Until store_stop; any thread; asks nobody.
const char *store_bus_away(struct store *store);

// A store that has not answered a probe (STORE_COUNT_OPEN) for so long does not answer; and one whose commit takes so
// long does not write. The latter is longer than a database needs to give up on a server that hangs with what the
// commit waits for (docs/scaling.md).
#define STORE_PATIENCE_MS       3000
#define STORE_COMMIT_AGE_MAX_NS ((uint64_t)30 * 1000000000)

// Whether some of several stores that are one is away, and which; the rest is served. Any thread; asks nobody.
bool store_away(struct store *store, struct buf *out);

// --- Cold chunks: their bodies lie in objects elsewhere (docs/internals/cold.md), and are read when they are wanted.
// What cannot be read is ERR_COLD, and may be asked for again.
struct store_cold_source {
    // Reads a range of an object. Blocks, and runs on several threads at once. ERR_NOT_FOUND, ERR_UNAVAILABLE.
    int (*read)(void *arg, const char *object, uint64_t at, size_t len, struct buf *ret);
    void *arg;
    unsigned threads;
    size_t waiting_max; // queries that wait for a thread; more are ERR_COLD at once
    size_t memory_max;  // bytes that queries hold together; likewise
    size_t cache_max;   // of them, bytes that are kept for those that come later, as long as nobody else wants them
    struct metrics *metrics;
    const struct logger *logger;
};
// Must be called before the first query; without it nothing cold can be read. ERR_NOMEM.
int store_cold_serve(struct store *store, const struct store_cold_source *source);

// Whether only this process writes to it, as long as it has it open. Then it need not tell that it is still alive
// (store/ops/node.h).
bool store_alone(const struct store *store);

// Tells somebody who keeps an execution whether it is unchanged (store/execution_cache.h). The version of a row is odd
// from before a transaction that may change the execution until every query can see the outcome. Afterwards it is an
// even number that it never had before. Nobody hears of the outcome earlier. Rows share slots, so a version may change
// without need; it never stays the same when it must change. If others write to the store, too, it cannot know, and the
// version is always odd: then nothing is kept.
uint64_t store_version(const struct store *store, int64_t row);

// Commits what was submitted, checkpoints, and ends the threads. Later operations get ERR_SHUTTING_DOWN.
void store_stop(struct store *store);
void store_free(struct store **store); // stops it if necessary, and closes it
