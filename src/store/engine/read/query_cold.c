// Queries about chunks whose bodies lie elsewhere, and the bodies that other queries want.
#include "store/cold.h"
#include "store/engine/read/query.h"

#define WARM_AT_ONCE 256 // executions that one look goes through

int session_cold_body(const struct session *session, const struct cold_ask *ask, struct str *ret)
{
    struct cold_body places[COLD_WANTED_MAX];
    size_t count = 0, bytes = 0, wanted = 0;
    if (!session->op)
        return ERR_COLD;
    int err = cold_wants_find(session->op, ask->row, ask->first, ret);
    if (err != ERR_COLD || !cold_wants_may(session->op))
        return err;
    err = catalogue_cold_places(session->sql, ask->row, ask->first, ask->backward, places, COLD_WANTED_MAX, &count);
    if (err < 0)
        return err;
    if (count == 0 || places[0].first != ask->first)
        return ERR_CORRUPT; // a chunk without a body
    for (; wanted < count && (wanted == 0 || bytes < ask->ahead); wanted++)
        bytes += ask->closed ? places[wanted].place.len : places[wanted].raw;
    for (size_t i = 0; i < wanted; i++) // in the order of their places
        cold_wants_add(session->op, &places[ask->backward ? wanted - 1 - i : i]);
    return ERR_COLD;
}

// --- For the mover

// Days are whole in packs, so that they go as a whole.
static bool same_day(const struct store_cold_look *look, int64_t sealed_ms)
{
    const int64_t day_ms = (int64_t)24 * 3600 * 1000;
    return look->ret_sealed_ms == 0 || look->ret_sealed_ms / day_ms == sealed_ms / day_ms;
}

// Returns 1 if the look goes on behind it.
static int look_at(const struct session *session, struct store_cold_look *look, const struct cold_warm *warm)
{
    bool full = look->ret_row_count == STORE_COLD_ROWS_MAX || !same_day(look, warm->sealed_ms);
    if (full)
        return 0;
    bool goes_on = look->cursor.row == warm->row;
    look->cursor = (struct cold_cursor){warm->sealed_ms, warm->row, goes_on ? look->cursor.first : 0};
    int rc = session->engine->log->settled(session, warm->row);
    if (rc == 1) {
        look->ret_sealed_ms = look->ret_sealed_ms ? look->ret_sealed_ms : warm->sealed_ms;
        rc = catalogue_cold_take(session->sql, look, warm->row, warm->execution_id, &full);
    }
    if (rc == 0 && !full)
        look->cursor = (struct cold_cursor){warm->sealed_ms, warm->row + 1, 0};
    return rc < 0 ? rc : !full;
}

void query_cold_look(const struct session *session, struct store_op *op)
{
    struct store_cold_look *look = CONTAINER_OF(op, struct store_cold_look, op);
    struct cold_warm warm[WARM_AT_ONCE];
    size_t count = 0;
    int rc = catalogue_cold_warm(session->sql, look, warm, WARM_AT_ONCE, &count);
    size_t at = 0;
    rc = rc < 0 ? rc : 1;
    for (; at < count && rc == 1; at++)
        rc = look_at(session, look, &warm[at]);
    look->ret_over = rc == 1 && count < WARM_AT_ONCE;
    op->err = MIN(rc, 0);
}

void query_cold_backlog(const struct session *session, struct store_op *op)
{
    op->err = catalogue_cold_backlog(session->sql, CONTAINER_OF(op, struct store_cold_backlog, op));
}

void query_cold_sparse(const struct session *session, struct store_op *op)
{
    op->err = catalogue_cold_sparse(session->sql, CONTAINER_OF(op, struct store_cold_sparse, op));
}

void query_cold_known(const struct session *session, struct store_op *op)
{
    op->err = catalogue_cold_known(session->sql, CONTAINER_OF(op, struct store_cold_known, op));
}
