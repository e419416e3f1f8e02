// A job: where it is in the queue, and what the queue says of an execution that is one. docs/internals/jobs.md. Pure.
#pragma once

#include "model/outcome.h"

// Numbers that the store has: what is below JOB_CLAIMED is queued, what is below JOB_ENDED is not settled for good.
enum job_state {
    JOB_HELD,    // waits for what it depends on, or for a place within its batch's `parallel`
    JOB_DELAYED, // not before a time
    JOB_READY,   // a worker may have it
    JOB_CLAIMED, // a worker has it
    JOB_LOST,    // its worker is silent, and no other attempt follows; it may come back
    JOB_OVER,    // it ended or was lost, and the consequences are not drawn yet
    JOB_ENDED,   // nothing follows any more
    JOB_STATES
};

struct job_view { // strings are owned, or NULL; see struct execution
    bool is_job, trusted;
    enum job_state state;
    unsigned attempt, retries; // attempt: from 1
    int priority;
    int64_t batch; // row; 0: none
    uint32_t batch_index;
    int64_t timeout_ms, not_before_ms, rate_micros;
    char *demand, *retry_of, *retried_as; // identifiers of the attempts before and after it
    char *reason;                         // why it was skipped, timed out, …
};

const char *job_state_word(enum job_state state);

struct job_step {
    enum job_state state;
    bool ends; // consequences are to be drawn: it goes into `endings`
};
// What a change of the outcome does to the job.
struct job_step job_step(enum job_state now, const struct outcome *before, const struct outcome *after);
// It takes one of its batch's `parallel` places.
bool job_takes_place(enum job_state state);
