// Operations on executions: make, claim, change, purge and find them. Conventions: store/store.h.
#pragma once

#include "model/execution.h"
#include "model/metadata.h"
#include "model/outcome.h"
#include "model/quiet.h"
#include "store/op.h"

// --- Commits

struct job_new;
struct store_change;
struct run_new;
struct store_input;

struct store_create {
    struct store_op op;
    // In: account, execution_id (NULL: made by the store), status, started_ms, owner, spec…, allocated by the caller.
    // Out: as stored (row, created_ms …). From then on the operation owns the strings: store_op_release frees them.
    struct execution execution;
    struct str idempotency_key;       // empty: none. Kept for 24 h.
    uint64_t request_hash;            // hash of the request's body; compared for the same key (ERR_IDEMPOTENCY)
    uint64_t open_max;                // ERR_RATE if the account has so many unsealed executions already; 0 = no limit
    const struct job_new *job;        // store/ops/job.h: a worker must run it; NULL: its own runner does
    const struct store_input *inputs; // store/ops/artifact.h; their names are valid, and each is there once
    size_t input_count;               // at most INPUTS_MAX
    const struct run_new *run;        // store/ops/workflow.h; NULL: it has nothing more as a run
    // Its workflow has a row: the execution gets the workflow's owner and, without one in `run`, its graph.
    // ERR_NOT_FOUND if a user asks (not empty) who is not the workflow's owner.
    struct str asking_user;
    char *ret_reason;      // why something that it depends on or uses is refused, for people; may be NULL
    const char *ret_field; // with ret_reason: which field of the request says that
    bool ret_existed;      // the same key and body as before: `execution` is the one that was made then
    // The store's own, while `execution` is an answer: what was asked, as its transaction may be begun again.
    struct execution asked;
    bool answered;
    // ERR_INVALID: an input is not there.
    // ERR_CONFLICT if the execution_id exists already, or ERR_EXPIRED if that one was purged.
};

// A runner takes the execution: epoch + 1, status running (from queued, lost, running …).
struct store_claim {
    struct store_op op;
    int64_t row;
    int64_t node;                          // the node that gets the lease; 0: no node
    struct str worker_id, worker_hostname; // empty: unchanged
    struct str key;                        // of the claim (execution_claim_mark); empty: none
    struct execution ret_execution;
    // Errors: ERR_SEALED, ERR_EXPIRED, ERR_BAD_TRANSITION (terminal), ERR_NODE_FENCED. ERR_HELD: a runner holds it
    // through another node that is alive.
};

// A change of an execution with its conditions: all of it or nothing, in one commit.
struct store_update {
    struct store_op op;
    int64_t row;
    uint64_t epoch; // 0: not checked; else ERR_FENCED if it is not the newest
    int64_t node;   // 0: not checked; else ERR_FENCED if the lease is not this node's
    bool has_outcome;
    struct outcome_ask outcome; // outcome_next decides: ERR_SEALED, ERR_BAD_TRANSITION
    // Beside an outcome that waits: for what, a text of model/waiting.h, in the place of what it waited for; empty:
    // unchanged. And until when; 0: for ever.
    struct str waiting;
    int64_t waiting_until_ms;
    // OUTCOME_GIVEN_UP and OUTCOME_QUIET wait while the account is suspended, and for this long after it was resumed:
    // ERR_SUSPENDED.
    uint64_t grace_ms;
    struct quiet_seen quiet; // with OUTCOME_QUIET: what was quiet; quiet_judge
    // Empty: unchanged; else an object that is merged into the present metadata (metadata_merge).
    struct str metadata_patch;
    size_t metadata_max; // limit in bytes for the merged metadata; 0: no limit
    bool has_pin, pin;
    bool fetched; // its log is no longer to be fetched from elsewhere
    // Empty: unchanged; otherwise its runner must cancel. Does nothing if it had ended before. The first reason stays.
    struct str cancel_reason;
    struct execution ret_execution;
};

struct store_purge { // ERR_CONFLICT unless sealed. Records are removed, and the identifier stays taken.
    struct store_op op;
    int64_t row;
    // For the sweep: only if it may still go, by these rules of the server or, with `by_limits`, as it is not pinned;
    // else ERR_CONFLICT. NULL: in any case.
    const struct retention *rules;
    bool by_limits;
};

// --- Queries

struct store_get {
    struct store_op op;
    int64_t account;
    struct str execution_id;
    struct execution ret_execution; // ERR_NOT_FOUND; a purged one is returned with `purged`
    uint64_t ret_version;           // of its row, read before the execution was read; see store_version
};

// A place in a list of executions, which may lie in several stores (docs/internals/shards.md): the list goes on before
// these rows, one for each store. A store that is alone uses the first only.
#define STORE_SHARDS_MAX 16
#define LIST_PLACE_END   (-1) // nothing more of this store
struct list_place {
    int64_t rows[STORE_SHARDS_MAX]; // all 0: from the newest
};
void list_place_pass(struct list_place *place, int64_t row); // goes on behind the execution of this row

#define STORE_LIST_VALUES_MAX 16
struct store_values { // any of these values; none: any value
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
    unsigned statuses;    // one bit for each wanted status; 0: any
    struct store_values batch_ids, workflow_ids;
    struct store_label labels[STORE_LIST_VALUES_MAX]; // of one name any of the values; of several names all
    size_t label_count;
    int64_t since_ms; // created at or after this time; 0: any
    union {
        int64_t before_row;       // of a store that is alone: page cursor; 0: from the newest
        struct list_place before; // of any
    };
    bool unsealed_only; // for the start of the server; then the account is ignored
    unsigned limit;
    // About so many bytes of their texts; then the page ends early, with ret_next_row; 0: no limit.
    size_t max_bytes;
    uint64_t count_max;               // ret_total is wanted up to so many; 0: not
    struct execution *ret_executions; // newest first
    uint64_t ret_total;               // how many meet the conditions, on all pages; count_max + 1 or more: too many
    size_t ret_count;
    union {
        int64_t ret_next_row; // 0: there are no more, of any store
        struct list_place ret_next;
    };
    struct list_place ret_before; // where this page begins, also from the newest: later ones are not behind it
};

// Where executions stand, for those who follow them while other servers write, too. Those that are not there are left
// out.
#define STORE_LOOK_MAX 1000
struct store_look {
    struct store_op op;
    const int64_t *rows;
    size_t count;                     // at most STORE_LOOK_MAX
    struct store_change *ret_changes; // each as if it had been heard of: `elsewhere`, with numbers and flags
    size_t ret_count;
};

struct store_count_open {
    struct store_op op;
    bool probe; // only to see that the store answers: of several stores that are one, the home's count is enough
    int64_t account;
    uint64_t ret_count;
    uint64_t ret_queued; // the jobs among them that wait for a worker
};
