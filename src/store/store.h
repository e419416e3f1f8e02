// The port to durable storage. Everything is asynchronous: an operation is embedded in the caller's struct, handed in, and
// comes back by `done` on the thread of its `reply_to` loop. Thread-safe. Strings and chunks given in must live until `done`;
// what comes out is owned by the operation's struct and released by store_op_release (after `done`, by the caller).
//
// Commits: whatever has gathered since the last one is one transaction (group commit), in the order of submission within an
// account, and in turn between accounts. Queries are taken in turn, too; those that are short before scans. An operation
// whose conditions do not hold fails alone; a transaction that fails, fails each of its operations (ERR_STORE_FULL,
// ERR_NO_FILES, ERR_NOMEM, ERR_UNAVAILABLE); nothing of it was applied then. An fsync error ends the process. `done` comes after durability.
#pragma once

#include "loop/loop.h"
#include "model/chunk.h"
#include "model/execution.h"
#include "model/metadata.h"
#include "model/outcome.h"
#include "model/role.h"
#include "model/sequence.h"
#include "util/id.h"

#include <stdatomic.h>

struct store;

enum store_op_kind {
    // commits
    STORE_CREATE,
    STORE_CLAIM,
    STORE_APPEND,
    STORE_COMPLETE,
    STORE_UPDATE,
    STORE_PURGE,
    STORE_KEY_CREATE,
    STORE_KEY_REVOKE,
    STORE_KEY_USED,
    STORE_ACCOUNT_ENSURE,
    STORE_ACCOUNT_CREATE,
    STORE_ACCOUNT_CHANGE,
    // queries
    STORE_GET,
    STORE_LIST,
    STORE_READ,
    STORE_PRODUCER,
    STORE_KEY_FIND,
    STORE_KEY_LIST,
    STORE_ACCOUNT_LIST,
    STORE_COUNT_OPEN,
    STORE_BACKUP,
    STORE_OP_KINDS
};

struct store_op {
    // Set by the caller.
    enum store_op_kind kind;
    struct loop *reply_to;
    void (*done)(struct store_op *op);
    int64_t account; // whose turn it takes; 0: the server's own, or that of the operation itself if it names one
    bool scan;       // of queries: one slice of a long look through records, which is to leave room for others
    // Optional, for queries: runs on the reader's thread after the query and before `done`, for decoding, filtering, encoding. May be NULL.
    void (*process)(struct store_op *op);
    // Set by the store.
    int err;
    struct mail mail;
    struct list_node node;
    uint64_t submitted_ns; // clock_mono_ns when handed in, for latency metrics
};

#define STORE_PRODUCER_MAX 96 // bytes of a producer's name

// --- Commits

struct store_create {
    struct store_op op;
    // In: account, execution_id (NULL: made), status, started_ms, owner, spec…, allocated by the caller. Out: as stored (row, created_ms …).
    // The strings are the operation's from then on: store_op_release frees them.
    struct execution execution;
    struct str idempotency_key; // empty: none. Kept for 24 h.
    uint64_t request_hash;      // of the request's body, compared under the same key (ERR_IDEMPOTENCY)
    uint64_t open_max;          // ERR_RATE when the account has so many unsealed executions already; 0 = no limit
    bool ret_existed;           // the same key and body again: `execution` is the one made then
    // An execution_id that exists already: ERR_CONFLICT, or ERR_EXPIRED if it was purged.
};

// A runner takes the execution: epoch + 1, status running (from queued, lost, running …).
struct store_claim {
    struct store_op op;
    int64_t row;
    struct str worker_id, worker_hostname; // empty: unchanged
    struct execution ret_execution;
    // ERR_SEALED, ERR_EXPIRED, ERR_BAD_TRANSITION (terminal).
};

// Appends records of one producer (sequence_admit decides). Repeated ones in front are cut off.
struct store_append {
    struct store_op op;
    int64_t row;
    struct str producer; // empty: anonymous, nothing is remembered, `first` is ignored
    uint64_t first;      // the producer's counter of the chunk's first record
    uint64_t epoch;      // 0: not fenced
    bool skip_ahead;
    const uint64_t
        *skip_digest;    // with skip_ahead: what the producer's digest goes on from; NULL: not known. Until done
    bool whole;          // repeated as a whole or not at all: ERR_CONFLICT when only its first records are known
    struct chunk *chunk; // borrowed until done
    uint64_t ret_first_sequence; // of the first appended; for a wholly repeated last append, of the original
    uint64_t ret_appended;       // 0 when all were repetitions
    uint64_t ret_producer_next;  // set on ERR_GAP, ERR_CONFLICT and success
    uint64_t ret_next;           // next sequence number afterwards
};

// The end of the job and the seal, in one step. An outcome that was told before stands; the seal is added to it.
struct store_complete {
    struct store_op op;
    int64_t row;
    uint64_t epoch;      // 0: not checked
    struct str producer; // whose counter `final` is
    bool has_final;      // false: all that came is all there is
    int64_t final;       // the producer's last counter; -1 without records. ERR_GAP when not all is there.
    bool has_digest;
    uint64_t digest; // ERR_DIGEST when it differs from the log's
    enum execution_status status;
    bool has_exit_code;
    int exit_code;
    int64_t completed_ms;                  // when the job ended; 0, or before it started: now
    struct execution ret_execution;        // also for ERR_SEALED: with the same outcome it is fine and err is 0
    struct sequence_producer ret_producer; // as it is stored by then; its hash of the last record is not for callers
};

// A change of an execution with its conditions: all of it, or nothing, in one commit.
struct store_update {
    struct store_op op;
    int64_t row;
    uint64_t epoch; // 0: not checked; else ERR_FENCED if it is not the newest
    bool has_outcome;
    struct outcome_ask outcome; // judged by outcome_next: ERR_SEALED, ERR_BAD_TRANSITION
    // OUTCOME_GIVEN_UP waits while the account is suspended, and for so long after it was resumed: ERR_SUSPENDED.
    uint64_t grace_ms;
    struct str metadata_patch; // empty: unchanged; else an object, merged into what is there then (metadata_merge)
    size_t metadata_max;       // bytes of what it becomes; 0: no limit
    bool has_pin, pin;
    // Empty: unchanged; else its runner is to cancel. Nothing if it had ended before; the first reason stays.
    struct str cancel_reason;
    struct execution ret_execution;
};

struct store_purge { // ERR_CONFLICT unless sealed. Records go, the identifier stays taken.
    struct store_op op;
    int64_t row;
};

// --- API keys and accounts
struct api_key {
    int64_t row, account;
    char *key_id; // public handle, "key_…"
    char *name;
    enum role role;
    uint8_t hash[32];                                         // SHA-256 of the whole key
    int64_t created_ms, expires_ms, last_used_ms, revoked_ms; // 0: none
    bool account_suspended;                                   // set by the store
};
void api_key_release(struct api_key *key);

struct store_key_create {
    struct store_op op;
    struct api_key key;      // in: all but row; out: row and account
    struct str account_name; // empty: key.account says it. ERR_NOT_FOUND, ERR_EXPIRED
};
// ERR_NOT_FOUND; ERR_FORBIDDEN for a key above `role`; ERR_LAST_OPERATOR for an operator key, unless another one lasts at
// least as long whose account is not suspended.
struct store_key_revoke {
    struct store_op op;
    int64_t account;
    struct str account_name; // as above
    struct str key_id;
    enum role role; // of whoever asks
    int64_t ret_row;
};
struct store_key_used {
    struct store_op op;
    int64_t row, used_ms;
};
struct store_account_ensure { // makes it if it is not there
    struct store_op op;
    struct str name;
    int64_t ret_account;
    bool ret_created;
};

#define ACCOUNT_DEFAULT  "default" // made at the first start
#define ACCOUNT_NAME_MAX ID_ACCOUNT_MAX

enum account_state { ACCOUNT_ACTIVE, ACCOUNT_SUSPENDED, ACCOUNT_DELETED };

struct account {
    int64_t row, created_ms, suspended_ms; // 0: it is not suspended
    char name[ACCOUNT_NAME_MAX + 1];
};

struct store_account_create { // ERR_CONFLICT, or ERR_EXPIRED if one of that name was deleted: names are not used again
    struct store_op op;
    struct str name; // valid
    struct account ret_account;
};

// ERR_NOT_FOUND, ERR_EXPIRED if it was deleted, ERR_LAST_OPERATOR as above. What it is already is fine.
// Deleted: its keys are revoked with it. ERR_CONFLICT when it holds executions that are not purged, unless `purge` says that
// all of them are to go; they go in the background, also after a restart.
struct store_account_change {
    struct store_op op;
    struct str name;
    enum account_state state;
    bool purge;
    struct account ret_account;
    uint64_t ret_change; // grows with each change of any account, as long as this process lives
};

// --- Queries
struct store_get {
    struct store_op op;
    int64_t account;
    struct str execution_id;
    struct execution ret_execution; // ERR_NOT_FOUND; a purged one is returned with `purged`
    uint64_t ret_version;           // of its row, taken before the execution was read; see store_version
};

#define STORE_LIST_VALUES_MAX 16
struct store_values { // any of them; none: whatever it is
    struct str items[STORE_LIST_VALUES_MAX];
    size_t count;
};
struct store_label {
    struct str name, value; // of a scalar member of the metadata; an empty value: any
};
struct store_list {
    struct store_op op;
    int64_t account;
    struct str owner;     // empty: any
    struct str id_prefix; // empty: any
    unsigned statuses;    // a bit for each wanted; 0: any
    struct store_values batch_ids, workflow_ids;
    struct store_label labels[STORE_LIST_VALUES_MAX]; // of one name any value, of several names all
    size_t label_count;
    int64_t since_ms;   // created at or after; 0: any
    int64_t before_row; // page cursor; 0: from the newest
    bool unsealed_only; // for start-up; then the account is ignored
    unsigned limit;
    size_t max_bytes;                 // of their texts, about; it then ends early, with ret_next_row; 0: no bound
    struct execution *ret_executions; // newest first
    size_t ret_count;
    int64_t ret_next_row; // 0: no more
};

#define STORE_READ_SEGMENTS 64
struct store_segment {
    uint64_t first; // sequence number of the chunk's first record
    struct chunk *chunk;
};
// The chunks from the one that covers `from` on (or, backward, up to the one that covers from - 1, in ascending order too), until
// max_bytes of payload or STORE_READ_SEGMENTS are reached; at least one if there is one. One statement, no transaction left open.
struct store_read {
    struct store_op op;
    int64_t row;
    uint64_t from;
    bool backward;
    bool by_time; // from the first chunk that holds a record at or after since_ms, instead of `from`
    int64_t since_ms;
    size_t max_bytes;
    struct store_segment ret_segments[STORE_READ_SEGMENTS];
    size_t ret_count;
    uint64_t ret_next;           // the log's end as of this read
    uint64_t ret_first_sequence; // what retention has left
};

struct store_producer {
    struct store_op op;
    int64_t row;
    struct str producer;
    struct sequence_producer ret_producer; // zero if it is new
    struct execution ret_execution;
};

struct store_key_find {
    struct store_op op;
    uint8_t hash[32];
    struct api_key ret_key; // ERR_NOT_FOUND; revoked and expired ones are returned
};
struct store_key_list {
    struct store_op op;
    int64_t account;
    struct str account_name; // empty: `account`. ERR_NOT_FOUND, ERR_EXPIRED
    struct api_key *ret_keys;
    size_t ret_count;
};
struct store_account_list { // in the order of their making, without deleted ones
    struct store_op op;
    struct str name; // that one alone: ERR_NOT_FOUND, ERR_EXPIRED; empty: any
    int64_t after_row;
    unsigned limit;
    struct account *ret_accounts;
    size_t ret_count;
    int64_t ret_next_row; // 0: no more
};
struct store_count_open {
    struct store_op op;
    int64_t account;
    uint64_t ret_count;
};
// A consistent copy while running, without free pages, made whole under a temporary name and then renamed; refuses an existing
// file. The copy is marked, and whoever opens it first gives it a new incarnation. One at a time.
struct store_backup {
    struct store_op op;
    struct str folder; // absolute; made if it is not there
    struct str name;   // beneath it; folders in it are there already, none of them by a symbolic link
    char *ret_path;    // of the copy
    char *ret_reason;  // what went wrong, for people; or NULL
    // ERR_CONFLICT if it is there or another backup is under way, ERR_INVALID for a name that leads elsewhere.
};

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
    uint64_t wal_lost; // bytes of commits that the last opening did not find, see sqlite/wal_mark.h; 0: all was there
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
// By the adapter's one writer, around each transaction with all operations of it: before it begins, and before their `done`s.
void store_versions_begin(struct store *store, struct store_op *const *ops, size_t count);
void store_versions_end(struct store *store, struct store_op *const *ops, size_t count);

// Commits what was handed in, checkpoints and ends the threads; what is submitted afterwards gets ERR_SHUTTING_DOWN.
void store_stop(struct store *store);
void store_free(struct store **store); // stops it if need be, closes
// For `process` of a read: lets the chunks go once they were looked at, as the operation may wait for its loop for a while.
void store_read_forget(struct store_read *read);
// Frees what came out of the operation (any kind), not the struct itself.
void store_op_release(struct store_op *op);
