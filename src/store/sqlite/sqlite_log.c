#include "store/sqlite/sqlite_log.h"

#include "store/engine/read/query.h"
#include "store/sqlite/sqlite_private.h"
#include "store/sqlite/write/appended.h"

static bool ahead(const struct session *session, int64_t row, struct log_state *ret)
{
    return hot_state(&sqlite_store_of(&session->engine->base)->hot, row, ret);
}

static int producer(const struct session *session, int64_t row, struct str name, struct producer_state *ret)
{
    if (hot_producer_state(&sqlite_store_of(&session->engine->base)->hot, row, name, ret))
        return 0;
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(session->connection, STATEMENT_PRODUCER_FIND);
    db_bind_i64(find, 1, row);
    db_bind_text(find, 2, name);
    int rc = db_row(find);
    *ret = (struct producer_state){0};
    if (rc == 1) {
        ret->sequence = (struct sequence_producer){
            .next = db_column_u64(find, 0),
            .last_hash = db_column_u64(find, 1),
            .digest = db_column_u64(find, 4),
            .digest_unknown = db_column_null(find, 4),
        };
        ret->last_counter = db_column_u64(find, 2);
        ret->last_sequence = db_column_u64(find, 3);
    }
    return MIN(rc, 0);
}

// Those in front of all that is not merged.
static int extents(const struct session *session, int64_t row, uint64_t from, struct log_extent *ret, size_t max,
                   size_t *ret_count)
{
    struct hot_piece piece;
    size_t unmerged = hot_pieces(&sqlite_store_of(&session->engine->base)->hot, row, 0, false, &piece, 1);
    uint64_t merged_to = unmerged > 0 ? piece.first : UINT64_MAX;
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(session->connection, STATEMENT_CHUNKS_FROM);
    db_bind_i64(find, 1, row);
    db_bind_u64(find, 2, from);
    db_bind_i64(find, 3, (int64_t)max);
    int rc = 0;
    for (*ret_count = 0; *ret_count < max && (rc = db_row(find)) == 1; ++*ret_count) {
        uint64_t first = db_column_u64(find, 1), end = first + db_column_u64(find, 2);
        if (end > merged_to)
            break;
        ret[*ret_count] = (struct log_extent){row, db_column_i64(find, 0), first, end};
    }
    return MIN(rc, 0);
}

// What was appended is merged by then, and nothing merges it again.
static int settled(const struct session *session, int64_t row)
{
    struct log_state state;
    return !hot_state(&sqlite_store_of(&session->engine->base)->hot, row, &state);
}

static int load_chunk(const struct session *session, const struct log_extent *extent, struct chunk **ret)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(session->connection, STATEMENT_CHUNK_BODY);
    db_bind_i64(find, 1, extent->id);
    int rc = db_row(find);
    if (rc <= 0)
        return rc;
    struct str body = db_column_blob(find, 0);
    const struct cold_ask cold = {.row = extent->row, .first = extent->first, .ahead = COLD_AHEAD};
    int err = body.len == 0 ? session_cold_body(session, &cold, &body) : 0;
    if (err == 0)
        err = chunk_decode_stored(body.data, body.len, ret);
    return err < 0 ? err : 1;
}

const struct log_engine sqlite_log = {
    .ahead = ahead,
    .producer = producer,
    .read = log_read,
    .extents = extents,
    .chunk = load_chunk,
    .settled = settled,
    .backup = log_backup,
    .append = appended_add,
    .cut = log_cut,
    .purge = log_purge,
    .purge_next = log_purge_next,
    .purge_chunks = log_purge_chunks,
    .purge_end = log_purge_end,
};
