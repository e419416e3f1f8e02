// Operations on jobs: executions that wait for a worker. docs/internals/jobs.md. Conventions: store/store.h.
#pragma once

#include "model/demand.h"
#include "model/dependency.h"
#include "model/retry.h"
#include "store/ops/execution.h"

enum job_state { JOB_HELD, JOB_DELAYED, JOB_READY, JOB_CLAIMED, JOB_ENDED };

struct job_parent {
    struct str id; // of an execution, or of a batch
    bool batch;
    enum dependency_wish wish;
};

// What a new execution has beside itself when it is a job: struct store_create's `job`.
struct job_new {
    struct str demand; // canonical, demand_append
    struct retry_rule retry;
    int priority;         // higher first
    int64_t timeout_ms;   // 0: none
    int64_t batch;        // row; 0: none
    uint32_t batch_index; // within it, from 0
    const struct job_parent *parents;
    size_t parent_count;
    int64_t rate_micros; // of its cost, per hour
    bool trusted;        // an admin's or operator's; docs/internals/jobs.md
};

// What the queue says of an execution; with store_get and the list.
struct job_view {
    bool is_job;
    enum job_state state;
    unsigned attempt;
    int priority;
    int64_t batch, timeout_ms, not_before_ms, rate_micros;
    char *demand, *retry_of, *reason; // reason: why it was skipped, timed out, …; or NULL
};

// --- Commits

// A worker takes a ready job: epoch + 1, running. ERR_CONFLICT if it is not ready any more.
struct store_job_claim {
    struct store_op op;
    int64_t row;
    struct str worker_id, worker_hostname;
    struct execution ret_execution; // with spec_json
    struct job_view ret_job;
};

// The worker gives it back, as nothing of it was run: queued and ready again. ERR_FENCED, ERR_CONFLICT.
struct store_job_return {
    struct store_op op;
    int64_t row;
    uint64_t epoch;
};

// Draws the consequences of ends, and makes ready what was delayed until now. docs/internals/jobs.md.
struct store_job_settle {
    struct store_op op;
    unsigned max;            // endings; 0: 256
    unsigned ret_settled;    // == max: there may be more
    int64_t ret_next_due_ms; // of the first delayed job; 0: none
};

// Queues a job once more by hand: a new attempt. ERR_CONFLICT unless it has ended and is the newest attempt.
struct store_job_retry {
    struct store_op op;
    int64_t row;
    struct execution ret_execution;
};

struct store_worker_seen { // joins, leaves, or is heard of
    struct store_op op;
    int64_t account;
    struct str worker_id, hostname, offer_json;
    bool connected;
};

// --- Queries

#define JOBS_READY_MAX 256
struct job_brief {
    int64_t row, turn;
    int priority;
};
// One line's first jobs; or, with `demand` empty, the next line after it.
struct store_jobs_ready {
    struct store_op op;
    int64_t account;   // in the first form
    struct str demand; // of the line; a view
    unsigned limit;
    struct job_brief ret_jobs[JOBS_READY_MAX]; // by priority, turn, row
    size_t ret_count;
};
// The lines that have ready jobs: account and demand of each.
struct job_line {
    int64_t account;
    char *demand;
};
struct store_job_lines {
    struct store_op op;
    unsigned limit;
    struct job_line *ret_lines;
    size_t ret_count;
};

// Why it waits, as far as the store knows.
struct store_job_waits {
    struct store_op op;
    int64_t row;
    uint64_t ret_before;  // in its line; when it is ready
    unsigned ret_parents; // that it waits for
    char *ret_parent;     // the first of them
    struct job_view ret_job;
};
