// Operations on batches: jobs that were submitted together. See docs/internals/jobs.md. Conventions: store/store.h.
#pragma once

#include "model/batch.h"
#include "store/ops/job.h"

struct batch { // the strings are owned
    int64_t row, account;
    char *batch_id, *owner, *name, *metadata_json;
    // Of all its jobs that say nothing else: how long and how much of them is kept, a text of model/retention.h, or
    // NULL; and whether they are pinned.
    char *retention;
    bool pinned;
    int64_t created_ms;
    bool open, cancelled, stopped; // takes more jobs; was cancelled; was stopped early because too many failed
    bool unsettled;                // nothing is left, but one may be tried again, or was lost and may come back
    struct batch_limits limits;
    struct batch_counts counts;
    uint64_t expected; // how many jobs were announced; it stays open until they are there. At most BATCH_JOBS_MAX
    int64_t rate_micros;
};
void batch_release(struct batch *batch);
enum batch_status batch_stands(const struct batch *batch);

// --- Commits

struct store_batch_create { // ERR_CONFLICT: the identifier is taken. ERR_TOO_LARGE: more jobs are expected than allowed
    struct store_op op;
    struct batch batch; // in: account, batch_id (NULL: made), owner, name, limits, open, expected …; out: as stored
    struct str idempotency_key; // empty: none. Kept for 24 h
    uint64_t request_hash;      // another hash with the same key: ERR_IDEMPOTENCY
    // The same key and body as before; or, without a key, the same batch_id and body, of a batch that has not all of
    // its jobs yet. Go on adding; jobs that exist already are skipped.
    bool ret_existed;
};

#define BATCH_ADD_MAX 256
// Adds jobs, all or none. `jobs[i].job->batch_index` is the job's number: one that exists already is skipped and gets
// ret_existed; the others are as after STORE_CREATE. ERR_CONFLICT: the batch takes no more jobs, or an identifier is
// taken. ERR_TOO_LARGE: more than BATCH_JOBS_MAX, or than BATCH_ADD_MAX at once. ERR_NOT_FOUND, ERR_INVALID: about what
// a job depends on.
struct store_batch_add {
    struct store_op op;
    int64_t row;
    struct store_create *jobs; // executions as in store_create, each with its `job`, without idempotency keys
    size_t count;
    uint64_t queued_max; // ERR_RATE if the account has so many queued ones already; 0: no limit
    bool append;         // all are new: they get the numbers behind those that there are, or that were announced
    size_t ret_refused;  // index of the job that is to blame; its ret_reason may say why
    struct batch ret_batch;
};

#define BATCH_SLICE 256 // jobs that one commit changes
struct store_batch_change {
    struct store_op op;
    int64_t row;
    bool close;   // it takes no more jobs
    bool cancel;  // everything that is not claimed ends at once; the rows of claimed ones are returned, some at a time
    bool retry;   // what failed is queued again, each as a new attempt
    bool skipped; // with retry: what was skipped, too
    struct str reason;    // for a cancel
    uint64_t queued_max;  // for a retry: ERR_RATE as above
    int64_t after_row;    // where the last part ended; 0 at first, then leave it
    int64_t until_ms;     // for a retry: only what ended by then; 0 at first, then leave it
    int64_t *ret_running; // rows that were asked to cancel; the caller must tell their runners
    size_t ret_running_count;
    uint64_t ret_changed;
    bool ret_more; // there are more: submit the same struct again, after store_op_release
    struct batch ret_batch;
};

// --- Queries

struct store_batch_get {
    struct store_op op;
    int64_t account;
    struct str batch_id;    // this one, or `row`
    int64_t row;            // if not 0; then the account is not checked
    struct batch ret_batch; // ERR_NOT_FOUND
};

#define BATCH_LIST_MAX 1000
struct store_batch_list { // newest first
    struct store_op op;
    int64_t account;
    struct str owner; // empty: any
    // Places, as those of struct store_list.
    union {
        int64_t before_row;
        struct list_place before;
    };
    unsigned limit; // at most BATCH_LIST_MAX; 0 means that
    struct batch *ret_batches;
    size_t ret_count;
    union {
        int64_t ret_next_row; // 0: there are no more
        struct list_place ret_next;
    };
    struct list_place ret_before;
};

#define BATCH_FAILURES_MAX 32
// The latest failures of a batch that have no later attempt, newest first.
struct store_batch_failures {
    struct store_op op;
    int64_t row;
    unsigned limit;                // at most BATCH_FAILURES_MAX; 0 means that
    int64_t before_ms, before_row; // page cursor; 0: from the newest
    bool with_lines;               // also `ret_lines`: a slice that looks into logs; set op.scan
    struct execution *ret_executions;
    char **ret_lines; // of each, its last line on stderr (store/engine/read/last_line.h); NULL: there is none
    size_t ret_count;
    int64_t ret_next_ms, ret_next_row; // 0: there are no more
};

#define BATCH_CELLS_MAX 20000
#define BATCH_CELL_NONE STATUS_COUNT // its executions are purged
// The states of a batch's jobs, by their numbers: of each that of its newest attempt. One statement.
struct store_batch_cells {
    struct store_op op;
    int64_t row;
    uint32_t from;       // the first number wanted
    unsigned limit;      // at most BATCH_CELLS_MAX; 0 means that
    bool with_ids;       // also `ret_ids`
    uint8_t *ret_states; // enum execution_status of job from + i, or BATCH_CELL_NONE
    char **ret_ids;      // NULL where there is none
    size_t ret_count;    // behind the last one there is no job within the limit
    bool ret_more;       // there are jobs behind it
};
