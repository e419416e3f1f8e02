// Operations on jobs: executions that wait for a worker. See docs/internals/jobs.md. Conventions: store/store.h.
#pragma once

#include "model/demand.h"
#include "model/dependency.h"
#include "model/job.h"
#include "model/retry.h"
#include "store/ops/execution.h"

// What a job waits for, within a store: a batch, or an execution, of a job its first attempt. Of several stores that
// are one (store/shards/), one that lies in another of them has PARENT_ELSEWHERE and its row as it is seen outside.
#define PARENT_ELSEWHERE ((int64_t)1 << 60)
struct parent_key {
    bool is_batch;
    int64_t row; // 0: there is none
};

// How it stands: `over` and `failed` as in dependency_judge.
struct parent_standing {
    struct parent_key key;
    bool over, failed;
    enum execution_status ended; // of a batch STATUS_COUNT
    char *id;                    // owned; NULL if it was looked for by that
};

struct job_parent {
    struct str id; // identifier of an execution, else of a batch; in the same account
    enum dependency_wish wish;
    const struct parent_standing *elsewhere; // it lies in another store, and stands so; NULL: it is looked for
    bool circle;                             // it is known that it waits, through other stores, for the job's batch
};

// What a new execution has in addition if it is a job: `job` of struct store_create. Its status must be queued.
struct job_new {
    struct str demand; // canonical form, see demand_append
    struct retry_rule retry;
    int priority;         // a higher one comes first
    int64_t timeout_ms;   // 0: no limit
    int64_t batch;        // row; 0: none. STORE_BATCH_ADD sets it
    uint32_t batch_index; // its number within the batch, from 0
    const struct job_parent *parents;
    size_t parent_count; // at most DEPENDENCIES_MAX
    int64_t rate_micros; // its cost per hour
    struct str secrets;  // NAME or NAME=VARIABLE, with spaces between them; ERR_NOT_FOUND without one of them
    // They are kept in another store, which was asked: without this one, if it is not empty.
    bool secrets_asked;
    struct str secret_missing;
    bool trusted;        // it belongs to an admin or operator; see docs/internals/jobs.md
    uint64_t queued_max; // ERR_RATE if the account has so many queued ones already; 0: no limit
};

// --- Commits

// A worker takes a ready job: epoch + 1, running. ERR_CONFLICT if it is not ready any more, or its batch starts no more
// jobs.
struct store_job_claim {
    struct store_op op;
    int64_t row;
    int64_t node; // the node that gets the lease; 0: no node
    struct str worker_id, worker_hostname;
    struct execution ret_execution; // with spec_json and `job`
    bool ret_retry_on_lost;         // another attempt follows if this one is lost
};

// The worker gives it back, because nothing of it was run. It is queued and ready again in its former place. If it was
// asked to cancel, or another attempt exists already, it ends as cancelled. ERR_FENCED, ERR_CONFLICT.
struct store_job_return {
    struct store_op op;
    int64_t row;
    uint64_t epoch;
    struct execution ret_execution;
};

// Carries out what follows from ends, and makes jobs ready whose delay is over. See docs/internals/jobs.md. Ask again
// while it has settled something, when a change says `unsettled`, and when the next delay is over.
#define SETTLE_OVER_MAX 512
struct store_job_settle {
    struct store_op op;
    unsigned max; // how many endings; 0: 256
    // Of several stores: also what waits in one for what lies in another, and was not told that it is over.
    bool whole;
    unsigned ret_settled;    // jobs and batches that changed; 0: nothing was left to do
    int64_t ret_next_due_ms; // of the first delayed job; 0: none
    // What is over now, and is awaited in another store (see store_parents_look); that is not told here.
    struct parent_key ret_over[SETTLE_OVER_MAX];
    size_t ret_over_count;
};

// How these stand: by their identifiers, or by their keys.
#define PARENTS_MAX 256 // keys
struct store_parents_look {
    struct store_op op;
    int64_t account;
    const struct str *ids; // any number; NULL: by keys
    const struct parent_key *keys;
    size_t count;
    bool awaits; // something in another store is to wait for those that are not over: settling gives them out
    struct parent_standing *ret_parents; // the caller's, zero; of those that there are not, row is 0
};

// What waits here for these, in other stores, is told how they stand: it is ready, or skipped. Nothing is done about
// those that are not over.
struct store_parents_tell {
    struct store_op op;
    const struct parent_standing *parents; // with PARENT_ELSEWHERE, and an id
    size_t count;
    unsigned ret_told; // jobs that waited
    bool ret_more;     // there are more: submit it again
};

// What waits for these, or for what waits for them, as far as it lies here: jobs, and their batches.
struct store_parents_waiting {
    struct store_op op;
    const struct parent_key *keys;
    size_t count;
    struct parent_key *ret_keys; // the caller's, with room for PARENT_WAITING_MAX
    size_t ret_count;
    bool ret_all; // there was enough room
};
#define PARENT_WAITING_MAX 4096

// Queues a job again by hand: a new attempt, with a new count of retries. ERR_CONFLICT unless it is the newest attempt
// and has ended or is lost. A lost one is asked to cancel, and its runner gets time to do so.
struct store_job_retry {
    struct store_op op;
    int64_t row;
    uint64_t queued_max; // as in struct job_new
    struct execution ret_execution;
};

// A server of a shared store says which workers are connected to it. What it said before is forgotten.
#define ROSTER_MAX ((size_t)8 * 1024 * 1024)
struct store_roster_tell {
    struct store_op op;
    int64_t node;
    struct str roster; // at most ROSTER_MAX bytes of JSON; see jobs/roster.h
};

// The other servers of a shared store are told that the worker is to take no more jobs, or some again (NEWS_WORKER).
struct store_worker_tell {
    struct store_op op;
    int64_t account;
    struct str worker_id;
    bool drains;
};

// --- Queries

#define JOBS_READY_MAX 256
struct job_brief {
    int64_t row, turn;
    int priority;
};
// The first jobs of one line, by priority, turn and row.
struct store_jobs_ready {
    struct store_op op;
    int64_t account;
    struct str demand;
    unsigned limit; // at most JOBS_READY_MAX; 0 means that
    struct job_brief ret_jobs[JOBS_READY_MAX];
    size_t ret_count;
};

// The lines that have ready jobs, by account and demand.
struct job_line {
    int64_t account;
    char *demand;
};
#define JOB_LINES_MAX 1000
struct store_job_lines {
    struct store_op op;
    int64_t after_account; // where the last page ended; 0: from the first
    struct str after_demand;
    unsigned limit; // at most JOB_LINES_MAX; 0 means that. If so many come, there may be more
    struct job_line *ret_lines;
    size_t ret_count;
};

// For which of these something waits here; or, without them, for what in other stores.
struct store_parents_awaited {
    struct store_op op;
    const struct parent_key *keys; // at most SETTLE_OVER_MAX; NULL: a page of all
    size_t count;
    struct parent_key after;     // where the last page ended; row 0: from the first
    struct parent_key *ret_keys; // the caller's, with room for `count`, or of a page for PARENTS_MAX
    size_t ret_count;            // of a page as many as there is room for: there may be more
};

// Why a job waits, as far as the store knows.
struct store_job_waits {
    struct store_op op;
    int64_t row;
    struct job_view ret_job;         // if it is not is_job, everything else is 0
    uint64_t ret_before;             // jobs before it in its line, if it is ready
    unsigned ret_parents;            // how many parents it waits for
    char *ret_parent;                // the first of them; NULL if there is none
    struct parent_key ret_elsewhere; // it, if it lies in another store; then ret_parent is NULL
    uint64_t ret_batch_active;       // ready and claimed jobs of its batch, and how many may be; 0 without a limit
    unsigned ret_batch_parallel;
};

// What a job depends on, and what depends on an execution, also when nothing waits any more. Links are of a job, with
// all its attempts. What was purged since has no links of its own, but may still be named.
struct job_link {
    bool is_batch;
    enum dependency_wish wish;
    bool waits;         // that is not decided yet
    char *id, *owner;   // of a job its newest attempt's; `owner` may be NULL
    const char *status; // a word, static
    bool purged;
    struct parent_key elsewhere; // it lies in another store, and only this is known; else its row is 0
};
#define JOB_LINKS_MAX 200
struct store_job_links {
    struct store_op op;
    int64_t row;
    // Within several stores, in its place: only what waited here for this one, as `children`; or these, as `parents`.
    int64_t child_of;                            // with PARENT_ELSEWHERE; 0: not this
    const struct parent_key *keys;               // NULL: not these
    size_t key_count;                            // at most DEPENDENCIES_MAX
    int64_t ret_first;                           // row of its first attempt
    struct job_link *ret_parents, *ret_children; // at most DEPENDENCIES_MAX, and JOB_LINKS_MAX
    size_t ret_parent_count, ret_child_count;
    bool ret_more; // there are more children
};

// The jobs that a worker has, as far as the store knows: those whose leases a node has, and those that are lost.
struct job_claimed {
    int64_t row, account;
    uint64_t epoch;
    bool lost;
    bool has_records; // so that the worker did get it
    char *execution_id, *demand;
};
#define JOBS_CLAIMED_MAX 1000
struct store_jobs_claimed {
    struct store_op op;
    int64_t node;    // that has the leases
    int64_t account; // whose jobs the worker takes; 0: of all
    struct str worker_id;
    int64_t after;                // the row that the page before ended with; 0: from the first
    struct job_claimed *ret_jobs; // by row; JOBS_CLAIMED_MAX of them: there may be more
    size_t ret_count;
};

// What the other servers of a shared store that are heard of say of their workers.
#define ROSTERS_MAX 256
struct store_rosters {
    struct store_op op;
    int64_t but; // without this node's
    char **ret_rosters;
    size_t ret_count;
};
