// A job: its place in the queue, and what the queue says about an execution that is a job. See docs/internals/jobs.md.
// Pure.
#pragma once

#include "model/outcome.h"

// The numbers are stored. States below JOB_CLAIMED are queued; states below JOB_ENDED are not settled for good.
enum job_state {
    JOB_HELD,    // waits for what it depends on, or for a place in the `parallel` of its batch
    JOB_DELAYED, // not before a time
    JOB_READY,   // a worker may take it
    JOB_CLAIMED, // a worker has it
    JOB_LOST,    // its worker is silent, and no other attempt follows; the worker may come back
    JOB_OVER,    // it ended or was lost, and what follows from that is not done yet
    JOB_ENDED,   // nothing follows any more
    JOB_STATES
};

struct job_view { // the strings are owned, or NULL; see struct execution
    bool is_job, trusted;
    enum job_state state;
    unsigned attempt, retries; // `attempt` counts from 1
    int priority;
    int64_t batch; // row; 0: none
    uint32_t batch_index;
    int64_t timeout_ms, not_before_ms, rate_micros;
    char *demand, *retry_of, *retried_as; // retry_of, retried_as: identifiers of the attempts before and after it
    char *reason;                         // why it was skipped, timed out, …
    char *secrets;                        // NAME or NAME=VARIABLE, with spaces between them
};

const char *job_state_word(enum job_state state);

struct job_step {
    enum job_state state;
    bool ends; // something must follow from it: it goes into `endings`
};
// Returns what a change of the outcome does to the job. One that is JOB_HELD by that is to be placed in its line anew.
struct job_step job_step(enum job_state now, const struct outcome *before, const struct outcome *after);
// Whether it takes one of the `parallel` places of its batch.
bool job_takes_place(enum job_state state);
