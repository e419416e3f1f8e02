// Reads records: what is wanted of chunks is found in the index, and their bodies come together, a few statements for a
// whole read. All are in one snapshot.
#include "store/engine/read/query.h"
#include "store/engine/read/reading.h"
#include "store/postgres/postgres_private.h"

#define AHEAD_MIN 8 // chunks that are fetched at once, at least; the read's bytes say how many more

struct found {
    uint64_t first;
    uint32_t count;
    size_t raw;
    struct chunk *chunk; // NULL: not fetched
};

struct postgres_reading {
    struct reading base;
    struct found found[STORE_READ_SEGMENTS]; // in ascending order
    size_t count;
};

static struct postgres_reading *reading_of(struct reading *base)
{
    return CONTAINER_OF(base, struct postgres_reading, base);
}

static void forget(struct postgres_reading *reading)
{
    for (size_t i = 0; i < reading->count; i++)
        chunk_unref(&reading->found[i].chunk);
    reading->count = 0;
}

// A server's journal may be ahead of the row. Then its chunks say where a log ends.
static int end_of_chunks(struct sql *sql, int64_t row, uint64_t *ret)
{
    CLEANUP(sql_reset) struct sql_statement *last = sql_statement_of(sql, POSTGRES_CHUNK_AT, log_part(row));
    sql_bind_i64(last, 1, row);
    sql_bind_u64(last, 2, INT64_MAX);
    int rc = sql_row(last);
    if (rc == 1)
        *ret = MAX(*ret, sql_u64(last, 0) + sql_u64(last, 1));
    return MIN(rc, 0);
}

static int begin(struct reading *base)
{
    struct store_read *read = base->read;
    forget(reading_of(base));
    int err = sql_begin(base->session->sql, SQL_READ);
    if (err < 0)
        return err;
    uint64_t journal;
    err =
        catalogue_execution_extent(base->session->sql, read->row, &read->ret_next, &read->ret_first_sequence, &journal);
    return err < 0 || journal == 0 ? err : end_of_chunks(base->session->sql, read->row, &read->ret_next);
}

static void end(struct reading *base)
{
    forget(reading_of(base));
    sql_rollback(base->session->sql);
}

static int since(struct reading *base, uint64_t *ret)
{
    CLEANUP(sql_reset)
    struct sql_statement *find = sql_statement_of(base->session->sql, POSTGRES_CHUNK_SINCE, log_part(base->read->row));
    sql_bind_i64(find, 1, base->read->row);
    sql_bind_i64(find, 2, base->read->since_ms);
    int rc = sql_row(find);
    *ret = rc == 1 ? sql_u64(find, 0) : UINT64_MAX;
    return MIN(rc, 0);
}

// --- Fetching

// Lists the chunks from the one that covers `at` on; backward, up to it.
static int list(struct postgres_reading *reading, uint64_t at)
{
    const struct store_read *read = reading->base.read;
    bool backward = read->backward;
    struct sql *sql = reading->base.session->sql;
    CLEANUP(sql_reset)
    struct sql_statement *find =
        sql_statement_of(sql, backward ? POSTGRES_CHUNKS_BEFORE : POSTGRES_CHUNKS_COVERING, log_part(read->row));
    sql_bind_i64(find, 1, read->row);
    sql_bind_u64(find, 2, at + backward);
    sql_bind_i64(find, 3, STORE_READ_SEGMENTS);
    size_t raw = 0;
    int rc = 1;
    forget(reading);
    while (reading->count < STORE_READ_SEGMENTS && (reading->count < AHEAD_MIN || raw < read->max_bytes) &&
           (rc = sql_row(find)) == 1) {
        struct found *found = &reading->found[reading->count++];
        *found = (struct found){sql_u64(find, 0), (uint32_t)sql_u64(find, 1), (size_t)sql_u64(find, 2), NULL};
        raw += found->raw;
    }
    for (size_t i = 0; backward && i < reading->count / 2; i++) {
        struct found *other = &reading->found[reading->count - 1 - i], kept = *other;
        *other = reading->found[i];
        reading->found[i] = kept;
    }
    return MIN(rc, 0);
}

static struct found *found_at(struct postgres_reading *reading, uint64_t first)
{
    for (size_t i = 0; i < reading->count; i++)
        if (reading->found[i].first == first)
            return &reading->found[i];
    return NULL;
}

static void bind_range(struct postgres_reading *reading, struct sql_statement *statement)
{
    sql_bind_i64(statement, 1, reading->base.read->row);
    sql_bind_u64(statement, 2, reading->found[0].first);
    sql_bind_u64(statement, 3, reading->found[reading->count - 1].first);
}

// The fronts of those of which the front suffices.
static int fetch_fronts(struct postgres_reading *reading)
{
    CLEANUP(sql_reset)
    struct sql_statement *fronts =
        sql_statement_of(reading->base.session->sql, POSTGRES_CHUNK_FRONTS, log_part(reading->base.read->row));
    bind_range(reading, fronts);
    sql_bind_i64(fronts, 4, CHUNK_FRONT_BYTES);
    int rc;
    while ((rc = sql_row(fronts)) == 1) {
        struct found *found = found_at(reading, sql_u64(fronts, 0));
        struct str given = sql_bytes(fronts, 1);
        struct chunk *front = NULL;
        if (found && chunk_decode_front(given.data, given.len, (size_t)sql_i64(fronts, 2), &front) &&
            filter_wants_front(reading->base.read->skim, front))
            found->chunk = front;
        else
            chunk_unref(&front);
    }
    return rc;
}

static int decode(struct postgres_reading *reading, struct str body, struct chunk **ret)
{
    return reading->base.read->closed ? chunk_decode_closed(body.data, body.len, ret)
                                      : chunk_decode_stored(body.data, body.len, ret);
}

static int fetch_body(struct postgres_reading *reading, struct found *found)
{
    CLEANUP(sql_reset)
    struct sql_statement *find =
        sql_statement_of(reading->base.session->sql, POSTGRES_CHUNK_BODY, log_part(reading->base.read->row));
    sql_bind_i64(find, 1, reading->base.read->row);
    sql_bind_u64(find, 2, found->first);
    sql_bind_i64(find, 3, found->count);
    int rc = sql_row(find);
    if (rc <= 0)
        return rc < 0 ? rc : ERR_CORRUPT;
    struct str body = sql_bytes(find, 0);
    const struct cold_ask cold = reading_cold_ask(&reading->base, found->first);
    int err = body.len == 0 ? session_cold_body(reading->base.session, &cold, &body) : 0;
    return err < 0 ? err : decode(reading, body, &found->chunk);
}

// What cannot be decoded is fetched again, and reported, when it is wanted.
static int fetch_bodies(struct postgres_reading *reading)
{
    CLEANUP(sql_reset)
    struct sql_statement *bodies =
        sql_statement_of(reading->base.session->sql, POSTGRES_CHUNK_BODIES, log_part(reading->base.read->row));
    bind_range(reading, bodies);
    int rc;
    while ((rc = sql_row(bodies)) == 1) {
        struct found *found = found_at(reading, sql_u64(bodies, 0));
        if (found && decode(reading, sql_bytes(bodies, 1), &found->chunk) < 0)
            found->chunk = NULL;
    }
    return rc;
}

static int covering(struct reading *base, uint64_t at, struct store_segment *ret)
{
    struct postgres_reading *reading = reading_of(base);
    struct found *covers = NULL;
    for (int look = 0; !covers && look < 2; look++) {
        for (size_t i = 0; i < reading->count && !covers; i++)
            if (at >= reading->found[i].first && at < reading->found[i].first + reading->found[i].count)
                covers = &reading->found[i];
        int err = !covers && look == 0 ? list(reading, at) : 0;
        if (err == 0 && !covers && look == 0 && reading->count > 0)
            err = base->read->skim ? fetch_fronts(reading) : fetch_bodies(reading);
        if (err < 0)
            return err;
    }
    if (!covers)
        return 0;
    bool cut = covers->first < at && base->read->ret_count > 0; // then its records are needed
    if (covers->chunk && cut && chunk_is_front(covers->chunk))
        chunk_unref(&covers->chunk);
    int err = covers->chunk ? 0 : fetch_body(reading, covers);
    if (err < 0)
        return err;
    ret->first = covers->first;
    ret->chunk = chunk_ref(covers->chunk);
    return 1;
}

void postgres_read(const struct session *session, struct store_op *op)
{
    static const struct reading_engine engine = {begin, covering, end, since};
    struct postgres_reading reading = {.base = {session, CONTAINER_OF(op, struct store_read, op), 0}};
    reading_run(&reading.base, &engine);
}
