// How this engine keeps records: the functions of struct log_engine.
#include "store/engine/read/query.h"
#include "store/postgres/postgres_private.h"

// Of the writer, what its present transaction has entered is later than the journal.
static bool ahead(const struct session *session, int64_t row, struct log_state *ret)
{
    struct postgres_store *store = postgres_store_of(&session->engine->base);
    const struct ends_log *entered = session == &store->tx.session ? ends_find(&store->appends.entries, row) : NULL;
    if (!entered)
        return journal_end(&store->journal, row, ret);
    *ret = entered->state;
    return true;
}

// What is not in the journal any more is in its row.
static void add_later(const struct session *session, int64_t row, struct str name, struct producer_state *state)
{
    struct postgres_store *store = postgres_store_of(&session->engine->base);
    const struct producer_state *entered =
        session == &store->tx.session ? ends_find_producer(&store->appends.entries, row, name) : NULL;
    if (entered)
        *state = *entered;
    else
        journal_producer(&store->journal, row, name, state);
}

static int producer(const struct session *session, int64_t row, struct str name, struct producer_state *ret)
{
    struct producer_state journaled = {0};
    add_later(session, row, name, &journaled);
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(session->sql, POSTGRES_PRODUCER_FIND);
    sql_bind_i64(find, 1, row);
    sql_bind_text(find, 2, name);
    int rc = sql_row(find);
    *ret = (struct producer_state){0};
    if (rc == 1)
        producer_row(find, ret);
    if (journaled.sequence.next > 0 && (rc == 0 || journaled.last_sequence > ret->last_sequence))
        *ret = journaled;
    return MIN(rc, 0);
}

static int extents(const struct session *session, int64_t row, uint64_t from, struct log_extent *ret, size_t max,
                   size_t *ret_count)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement_of(session->sql, POSTGRES_CHUNKS_FROM, log_part(row));
    sql_bind_i64(find, 1, row);
    sql_bind_u64(find, 2, from);
    sql_bind_i64(find, 3, (int64_t)max);
    int rc = 0;
    for (*ret_count = 0; *ret_count < max && (rc = sql_row(find)) == 1; ++*ret_count) {
        uint64_t first = sql_u64(find, 0);
        ret[*ret_count] = (struct log_extent){.row = row, .first = first, .end = first + sql_u64(find, 1)};
    }
    return MIN(rc, 0);
}

static int settled(const struct session *session, int64_t row)
{
    CLEANUP(sql_reset) struct sql_statement *find = sql_statement(session->sql, POSTGRES_UNMERGED_FIND);
    sql_bind_i64(find, 1, row);
    int rc = sql_row(find);
    return rc < 0 ? rc : !rc;
}

static int load_chunk(const struct session *session, const struct log_extent *extent, struct chunk **ret)
{
    CLEANUP(sql_reset)
    struct sql_statement *find = sql_statement_of(session->sql, POSTGRES_CHUNK_BODY, log_part(extent->row));
    sql_bind_i64(find, 1, extent->row);
    sql_bind_u64(find, 2, extent->first);
    sql_bind_u64(find, 3, extent->end - extent->first);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc;
    struct str body = sql_bytes(find, 0);
    const struct cold_ask cold = {.row = extent->row, .first = extent->first, .ahead = COLD_AHEAD};
    int err = body.len == 0 ? session_cold_body(session, &cold, &body) : 0;
    if (err == ERR_CORRUPT)
        return 0; // it was cut or purged between the two statements
    if (err == 0)
        err = chunk_decode_stored(body.data, body.len, ret);
    return err < 0 ? err : 1;
}

static int hold_chunks(struct sql *sql, int64_t row)
{
    struct sql_statement *hold = sql_statement(sql, POSTGRES_CHUNKS_HOLD);
    sql_bind_i64(hold, 1, row);
    return sql_run(hold, NULL);
}

// Chunks go as a whole, so one must end where the cut is. They may have been merged since they were looked at.
static int cut(struct transaction *tx, int64_t row, uint64_t end)
{
    struct sql *sql = tx->session.sql;
    int err = hold_chunks(sql, row);
    if (err < 0)
        return err;
    CLEANUP(sql_reset) struct sql_statement *last = sql_statement_of(sql, POSTGRES_CHUNK_AT, log_part(row));
    sql_bind_i64(last, 1, row);
    sql_bind_u64(last, 2, end - 1);
    int rc = sql_row(last);
    if (rc < 0)
        return rc;
    if (rc == 0 || sql_u64(last, 0) + sql_u64(last, 1) != end)
        return ERR_CONFLICT;
    static const enum postgres_statement removals[] = {POSTGRES_CHUNKS_CUT, POSTGRES_EVENTS_CUT};
    for (size_t i = 0; i < ARRAY_LEN(removals) && err == 0; i++) {
        struct sql_statement *remove = sql_statement_of(sql, removals[i], log_part(row));
        sql_bind_i64(remove, 1, row);
        sql_bind_u64(remove, 2, end);
        err = sql_run(remove, NULL);
    }
    return err;
}

static int purge(struct transaction *tx, int64_t row, bool by_age)
{
    struct sql_statement *insert = sql_statement(tx->session.sql, POSTGRES_PURGING_INSERT);
    sql_bind_i64(insert, 1, row);
    sql_bind_i64(insert, 2, transaction_now_ms(tx));
    sql_bind_i64(insert, 3, by_age);
    return sql_run(insert, NULL);
}

static int purge_next(struct transaction *tx, int64_t *ret_row)
{
    CLEANUP(sql_reset) struct sql_statement *next = sql_statement(tx->session.sql, POSTGRES_PURGING_NEXT);
    sql_bind_i64(next, 1, transaction_now_ms(tx));
    int rc = sql_row(next);
    *ret_row = rc == 1 ? sql_i64(next, 0) : 0;
    return rc;
}

// Chunks, and the rows of structured records. *ret_count is 0 once there are none.
static int purge_chunks(struct transaction *tx, int64_t row, uint64_t *ret_count)
{
    static const enum postgres_statement slices[] = {POSTGRES_PURGE_SLICE, POSTGRES_EVENTS_PURGE};
    int err = hold_chunks(tx->session.sql, row);
    *ret_count = 0;
    for (size_t i = 0; i < ARRAY_LEN(slices) && err == 0; i++) {
        uint64_t gone = 0;
        struct sql_statement *slice = sql_statement_of(tx->session.sql, slices[i], log_part(row));
        sql_bind_i64(slice, 1, row);
        err = sql_run(slice, &gone);
        *ret_count += gone;
    }
    return err;
}

static int purge_end(struct transaction *tx, int64_t row)
{
    static const enum postgres_statement last[] = {POSTGRES_PRODUCERS_DELETE, POSTGRES_PURGING_DELETE};
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(last) && err == 0; i++) {
        struct sql_statement *step = sql_statement(tx->session.sql, last[i]);
        sql_bind_i64(step, 1, row);
        err = sql_run(step, NULL);
    }
    return err;
}

const struct log_engine postgres_log = {
    .ahead = ahead,
    .take = group_take,
    .producer = producer,
    .read = postgres_read,
    .extents = extents,
    .chunk = load_chunk,
    .settled = settled,
    .append = appends_add,
    .cut = cut,
    .purge = purge,
    .purge_next = purge_next,
    .purge_chunks = purge_chunks,
    .purge_end = purge_end,
    .tell = peers_tell,
};
