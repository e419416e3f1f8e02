// Operations on batches: jobs that were submitted together. docs/internals/jobs.md. Conventions: store/store.h.
#pragma once

#include "model/batch.h"
#include "store/ops/job.h"

struct batch { // strings are owned
    int64_t row, account;
    char *batch_id, *owner, *name, *metadata_json;
    int64_t created_ms;
    bool open, cancelled, stopped; // takes more; was cancelled; stopped early, as too many failed
    struct batch_limits limits;
    struct batch_counts counts;
    uint64_t expected; // how many jobs it was announced with; it is open until they are there. At most BATCH_JOBS_MAX
    int64_t rate_micros;
};
void batch_release(struct batch *batch);

// --- Commits

struct store_batch_create { // ERR_CONFLICT: the identifier is taken. ERR_TOO_LARGE: more is expected than may be
    struct store_op op;
    struct batch batch; // in: account, batch_id (NULL: made), owner, name, limits, open, expected …; out: as stored
    struct str idempotency_key; // empty: none. Kept for 24 h
    uint64_t request_hash;      // another one under the same key: ERR_IDEMPOTENCY
    bool ret_existed;           // the same key and body: go on adding; jobs that are there already are passed over
};

#define BATCH_ADD_MAX 256
// Adds jobs, all or none. `jobs[i].job->batch_index` says which it is: one that is there already is passed over, with
// its ret_existed set; the others are as after STORE_CREATE. ERR_CONFLICT: it takes no more, or an identifier is taken.
// ERR_TOO_LARGE: more than BATCH_JOBS_MAX, or BATCH_ADD_MAX at once. ERR_NOT_FOUND, ERR_INVALID for what one depends
// on.
struct store_batch_add {
    struct store_op op;
    int64_t row;
    struct store_create *jobs; // executions as in store_create, each with its `job`, without idempotency keys
    size_t count;
    uint64_t queued_max; // ERR_RATE when the account has so many queued already; 0: no limit
    size_t ret_refused;  // which of the jobs is to blame; its ret_reason may say why
    struct batch ret_batch;
};

#define BATCH_SLICE 256 // jobs that one commit changes
struct store_batch_change {
    struct store_op op;
    int64_t row;
    bool close;  // takes no more
    bool cancel; // all that is not claimed ends at once; the rows of those that are claimed come back, a part at a time
    bool retry;  // what failed is queued again, a new attempt each
    struct str reason;    // of a cancel
    uint64_t queued_max;  // of a retry: ERR_RATE as above
    int64_t after_row;    // where the last part ended; 0 at first, then as it is
    int64_t until_ms;     // of a retry: what failed by then; 0 at first, then as it is
    int64_t *ret_running; // rows that were asked to cancel; their runners are to be told
    size_t ret_running_count;
    uint64_t ret_changed;
    bool ret_more; // do it again with the same struct, after store_op_release: there are more
    struct batch ret_batch;
};

// --- Queries

struct store_batch_get {
    struct store_op op;
    int64_t account;
    struct str batch_id;    // or
    int64_t row;            // if not 0; the account is not looked at
    struct batch ret_batch; // ERR_NOT_FOUND
};

#define BATCH_LIST_MAX 1000
struct store_batch_list { // newest first
    struct store_op op;
    int64_t account;
    struct str owner;   // empty: any
    int64_t before_row; // page cursor; 0: from the newest
    unsigned limit;     // at most BATCH_LIST_MAX, which is also 0
    struct batch *ret_batches;
    size_t ret_count;
    int64_t ret_next_row; // 0: no more
};

#define BATCH_FAILURES_MAX 32
// The latest failures of a batch that no attempt follows, newest first.
struct store_batch_failures {
    struct store_op op;
    int64_t row;
    unsigned limit; // at most BATCH_FAILURES_MAX, which is also 0
    struct execution *ret_executions;
    size_t ret_count;
};
