// Jobs on their way into a batch: the objects of a request become slices of STORE_BATCH_ADD, one after the other.
#pragma once

#include "api/jobs/jobs.h"
#include "api/jobs/order.h"

// Looks at `job` and `jobs` of the body. False after having answered 422.
bool batch_jobs_check(struct call *call);
struct batch_refusal {
    size_t job;                 // number of the job that is to blame
    const char *field, *reason; // of it, for people; NULL: nothing more is known
};
// Adds what was checked to the batch, of which row, identifier and what it says of its jobs are taken; `append`: behind
// its other jobs. `done` is called once: with the batch as it is then, or with an error and what is to blame. The jobs
// before its slice of BATCH_ADD_MAX are in the batch. The call is kept until then.
typedef void batch_jobs_done(struct call *call, int err, const struct batch_refusal *refusal,
                             const struct batch *batch);
void batch_jobs_add(struct call *call, const struct batch *batch, bool append, batch_jobs_done *done);
