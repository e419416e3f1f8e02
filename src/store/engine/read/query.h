// The queries: one function for each kind in store/op.h that does not commit. They run on a reader's thread, with its
// session. Adapters call query_op.
#pragma once

#include "store/engine/engine.h"

typedef void query_fn(const struct session *session, struct store_op *op); // sets op->err
#define QUERY_DECLARATION(NAME, name, ...) query_fn query_##name;
STORE_QUERIES(QUERY_DECLARATION)
#undef QUERY_DECLARATION
void query_op(const struct session *session, struct store_op *op); // by its kind; and counts it

// --- query_execution.c, for any thread with a session of its own
// Reads the execution, with the end of its log. Returns ERR_NOT_FOUND.
int execution_load(const struct session *session, int64_t row, struct execution *ret);
