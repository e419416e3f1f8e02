// Operations on executions: making, claiming, changing, purging and finding them. Conventions: store/store.h.
#pragma once

#include "model/execution.h"
#include "model/metadata.h"
#include "model/outcome.h"
#include "store/op.h"

// --- Commits

struct job_new;

struct store_create {
    struct store_op op;
    // In: account, execution_id (NULL: made), status, started_ms, owner, spec…, allocated by the caller. Out: as
    // stored (row, created_ms …). The strings are the operation's from then on: store_op_release frees them.
    struct execution execution;
    struct str idempotency_key; // empty: none. Kept for 24 h.
    uint64_t request_hash;      // of the request's body, compared under the same key (ERR_IDEMPOTENCY)
    uint64_t open_max;          // ERR_RATE when the account has so many unsealed executions already; 0 = no limit
    const struct job_new *job;  // store/ops/job.h: a worker is to run it; NULL: its own runner does
    char *ret_reason;           // of a refusal of what it depends on, for people; or NULL
    bool ret_existed;           // the same key and body again: `execution` is the one made then
    // An execution_id that exists already: ERR_CONFLICT, or ERR_EXPIRED if it was purged.
};

// A runner takes the execution: epoch + 1, status running (from queued, lost, running …).
struct store_claim {
    struct store_op op;
    int64_t row;
    int64_t node;                          // whose lease it becomes; 0: nobody's
    struct str worker_id, worker_hostname; // empty: unchanged
    struct execution ret_execution;
    // ERR_SEALED, ERR_EXPIRED, ERR_BAD_TRANSITION (terminal). ERR_HELD: a runner holds it by another node that is heard
    // of. ERR_NODE_FENCED.
};

// A change of an execution with its conditions: all of it, or nothing, in one commit.
struct store_update {
    struct store_op op;
    int64_t row;
    uint64_t epoch; // 0: not checked; else ERR_FENCED if it is not the newest
    int64_t node;   // 0: not checked; else ERR_FENCED if its lease is not this node's
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

struct store_count_open {
    struct store_op op;
    int64_t account;
    uint64_t ret_count;
};
