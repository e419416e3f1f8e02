// Queries about records, which the engine of the log answers; and the table of all queries.
#include "store/engine/read/query.h"

void query_read(const struct session *session, struct store_op *op)
{
    session->engine->log->read(session, op);
}

void query_backup(const struct session *session, struct store_op *op)
{
    session->engine->log->backup(session, op);
}

#define QUERY(NAME, name, ...) [STORE_##NAME] = query_##name,
static query_fn *const queries[STORE_OP_KINDS] = {STORE_QUERIES(QUERY)};

void query_op(const struct session *session, struct store_op *op)
{
    uint64_t began_ns = clock_mono_ns();
    queries[op->kind](session, op);
    engine_count_read(session->engine, clock_mono_ns() - began_ns);
}
