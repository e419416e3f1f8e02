// Queries about records, which the engine of the log answers; and the table of all queries.
#include "store/cold.h"
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

static void run(const struct session *session, struct store_op *op)
{
    uint64_t began_ns = clock_mono_ns();
    op->err = 0;
    queries[op->kind](session, op);
    engine_count_read(session->engine, clock_mono_ns() - began_ns);
}

bool query_op(const struct session *session, struct store_op *op)
{
    struct session with_op = *session;
    with_op.op = op;
    run(&with_op, op);
    if (!cold_wants_any(op))
        return true;
    if (op->kind != STORE_SUMMARY) // which goes on with what it has counted
        store_op_release(op);
    if (cold_park(&session->engine->base, op))
        return false;
    run(&with_op, op);
    return true;
}
