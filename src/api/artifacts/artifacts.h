// Blobs, and what refers to them: inputs and artifacts of executions. See docs/internals/artifacts.md.
#pragma once

#include "api/call.h"
#include "model/contents.h"

void blobs_head(struct call *call);
void blobs_put(struct call *call);      // ROUTE_CONTENT: before the body
void blobs_put_many(struct call *call); // likewise
void blobs_missing(struct call *call);
void artifacts_put(struct call *call);
void artifacts_list(struct call *call);
void artifacts_get(struct call *call);
void artifacts_purge(struct call *call);
void inputs_get(struct call *call);

extern const struct field_rule rule_hash;

// Why an operation has failed, for people; NULL: the error says all.
static inline const char *blob_reason(const struct blob_op *op)
{
    return op->ret_reason[0] ? op->ret_reason : NULL;
}
