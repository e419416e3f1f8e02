// Jobs and batches: made, looked at, changed; and the workers that take them.
#pragma once

#include "api/call.h"
#include "store/ops/batch.h"

#define BATCH_CANCEL_REASON "its batch was cancelled"

// Handlers.
void batches_create(struct call *call);
void batches_list(struct call *call);
void batches_executions(struct call *call);
void batches_status(struct call *call);
void batches_cells(struct call *call);
void batches_digest(struct call *call);
void batches_add(struct call *call);
void batches_close(struct call *call);
void batches_cancel(struct call *call);
void batches_retry(struct call *call);
void executions_retry(struct call *call);
void executions_dependencies(struct call *call);
void workers_list(struct call *call);
void workers_drain(struct call *call);
void workers_resume(struct call *call);

#define BATCH_CELLS_SHOWN    20000 // at most, of one request
#define BATCH_DIGEST_MAX     200   // failures that a digest looks at
#define BATCH_FAILURES_SHOWN 5
// Says for people which of many it is. The caller's; NULL: there is nothing to say.
char *batch_title(const struct execution *execution);
// Adds the status object of a batch; `failures` may be NULL.
void batch_add_status(struct json_writer *json, const char *name, const struct batch *batch, const char *currency,
                      const struct store_batch_failures *failures, int64_t now_ms);
