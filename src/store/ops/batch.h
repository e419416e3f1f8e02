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
    uint64_t expected; // how many jobs it was announced with; it is open until they are there
    int64_t rate_micros;
};
void batch_release(struct batch *batch);

// --- Commits

struct store_batch_create {
    struct store_op op;
    struct batch batch; // in: account, batch_id (NULL: made), owner, name, limits, open, expected …; out: as stored
    struct str idempotency_key;
    uint64_t request_hash;
    bool ret_existed; // the same key and body: go on adding; jobs that are there already are passed over
};

#define BATCH_ADD_MAX 256
// Adds jobs, all or none. `jobs[i].job->batch_index` says which it is: one that is there already is passed over.
struct store_batch_add {
    struct store_op op;
    int64_t row;
    struct store_create *jobs; // executions as in store_create, each with its `job`
    size_t count;
    uint64_t queued_max; // ERR_RATE when the account has so many queued already
};

struct store_batch_change {
    struct store_op op;
    int64_t row;
    bool close;
    bool cancel; // all that is not claimed ends at once; the rows of those that are claimed come back, a part at a time
    bool retry;  // what failed is queued again, a new attempt each
    int64_t *ret_running; // rows to be cancelled by their runners
    size_t ret_running_count;
    uint64_t ret_changed;
    bool ret_more; // do it again: there are more
    struct batch ret_batch;
};

// --- Queries

struct store_batch_get {
    struct store_op op;
    int64_t account;
    struct str batch_id;
    struct batch ret_batch; // ERR_NOT_FOUND
};

struct store_batch_list {
    struct store_op op;
    int64_t account;
    struct str owner;
    int64_t before_row;
    unsigned limit;
    struct batch *ret_batches;
    size_t ret_count;
    int64_t ret_next_row;
};

#define BATCH_FAILURES_MAX 32
// The latest failures of a batch, newest first.
struct store_batch_failures {
    struct store_op op;
    int64_t row;
    unsigned limit;
    struct execution *ret_executions;
    size_t ret_count;
};
