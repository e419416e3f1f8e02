// The reader threads. Each takes one query at a time, on a connection of its own.
#include "store/engine/read/query.h"
#include "store/postgres/postgres_private.h"

static bool query(struct postgres_store *store, struct sql *sql, struct store_op *op)
{
    op->err = 0;
    return query_op(&(struct session){.engine = &store->engine, .sql = sql}, op);
}

// A connection that was lost since the last query is found out by this one, which is then asked again: a query changes
// nothing. Beginning a transaction connects.
static bool run(struct postgres_store *store, struct sql *sql, struct store_op *op)
{
    if (!query(store, sql, op))
        return false;
    if (op->err != ERR_UNAVAILABLE || sql_begin(sql, SQL_READ) < 0)
        return true;
    sql_rollback(sql);
    store_op_release(op);
    return query(store, sql, op);
}

// One line for all readers, when the first is refused, and one when all are served again. `reason`: why there is no
// connection; empty: the statement says it.
static void note(struct postgres_store *store, const struct sql *sql, int err, bool *is_away, const char *reason)
{
    if ((err == ERR_UNAVAILABLE) == *is_away)
        return;
    *is_away = !*is_away;
    if (!*is_away && atomic_fetch_sub(&store->readers_away, 1) == 1)
        log_info(store->engine.base.logger, "the store can be read again");
    if (!*is_away || atomic_fetch_add(&store->readers_away, 1) > 0)
        return;
    CLEANUP(free_ptr) char *why = sql ? sql_reason(sql) : xstrdup(reason);
    log_error(store->engine.base.logger, "the store cannot be read", LOG_S("error", error_word(err)),
              LOG_S("reason", why), LOG_S("what_to_do", error_text(err)));
}

void *postgres_reader_main(void *arg)
{
    struct postgres_store *store = arg;
    struct queues *queues = &store->engine.queues;
    struct sql *sql = NULL;
    struct store_op *op;
    bool is_away = false;
    while ((op = queues_next_query(queues))) {
        CLEANUP(buf_release) struct buf reason = {0};
        if (!sql)
            op->err = sql_postgres_open(store->conninfo, postgres_texts, &sql, &reason);
        bool scan = op->scan, done = !sql || run(store, sql, op);
        note(store, sql, done ? op->err : 0, &is_away, buf_cstr(&reason));
        if (done && op->process)
            op->process(op);
        if (scan)
            queues_scan_ended(queues);
        if (!done)
            continue; // it waits for what lies elsewhere
        store_reply(op);
    }
    if (sql)
        sql_free(&sql);
    return NULL;
}
