// The queries: one function for each kind in store/op.h that does not commit. They run on a reader's thread, with its
// session. Adapters call query_op.
#pragma once

#include "store/engine/engine.h"

typedef void query_fn(const struct session *session, struct store_op *op); // sets op->err
#define QUERY_DECLARATION(NAME, name, ...) query_fn query_##name;
STORE_QUERIES(QUERY_DECLARATION)
#undef QUERY_DECLARATION
// By its kind; and counts it. False: it was put aside until what it wants is there, and is somebody else's.
bool query_op(const struct session *session, struct store_op *op);

// --- query_cold.c
#define COLD_AHEAD ((size_t)8 * 1024 * 1024) // of who looks at one chunk after the other
struct cold_ask {
    int64_t row;
    uint64_t first; // where the chunk begins
    bool backward;
    bool closed;  // chunks stay as they are stored
    size_t ahead; // bytes that will be wanted behind it (backward: before it): of payload, or closed, as stored
};
// Gives the body of a chunk that has none in the store, as a view until the next call. ERR_COLD: it is not there yet;
// then the query may say so, and runs again when it is; or it cannot be had now. ERR_CORRUPT: nobody knows where it is,
// or, outside a snapshot, the chunk has gone since.
int session_cold_body(const struct session *session, const struct cold_ask *ask, struct str *ret);

// --- query_execution.c, for any thread with a session of its own
// Reads the execution, with the end of its log. Returns ERR_NOT_FOUND.
int execution_load(const struct session *session, int64_t row, struct execution *ret);
// The same of several with one statement: ret[i] is that of rows[i]. At most EXECUTIONS_AT_ONCE, each once. All or
// none.
#define EXECUTIONS_AT_ONCE ((size_t)64)
int executions_load(const struct session *session, const int64_t *rows, size_t count, struct execution *ret);
