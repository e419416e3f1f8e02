// Reads records from the chunk on that covers a position. It reads `chunks` and the hot table as one state of the
// database.
#include "store/engine/read/reading.h"
#include "store/sqlite/sqlite_log.h"
#include "store/sqlite/sqlite_private.h"

struct sqlite_reading {
    struct reading base;
    struct sqlite_store *store;
    struct db *db;
    struct hot_piece pieces[STORE_READ_SEGMENTS]; // taken before the snapshot
    size_t piece_count;
    struct buf pack;    // the body of the pack that was read last
    int64_t pack_id;    // 0: none
    sqlite3_blob *blob; // of the chunk that was skimmed last
    struct buf body;
};

static struct sqlite_reading *reading_of(struct reading *base)
{
    return CONTAINER_OF(base, struct sqlite_reading, base);
}

static int cold_load(struct sqlite_reading *reading, uint64_t first, struct chunk **ret)
{
    struct str body;
    const struct cold_ask cold = reading_cold_ask(&reading->base, first);
    int err = session_cold_body(reading->base.session, &cold, &body);
    if (err == 0)
        err = reading->base.read->closed ? chunk_decode_closed(body.data, body.len, ret)
                                         : chunk_decode_stored(body.data, body.len, ret);
    return err < 0 ? err : 1;
}

static int chunk_load(struct sqlite_reading *reading, int64_t id, uint64_t first, struct chunk **ret)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(reading->db, STATEMENT_CHUNK_BODY);
    db_bind_i64(find, 1, id);
    int rc = db_row(find);
    if (rc <= 0)
        return rc;
    struct str body = db_column_blob(find, 0);
    if (body.len == 0)
        return cold_load(reading, first, ret);
    int err = reading->base.read->closed ? chunk_decode_closed(body.data, body.len, ret)
                                         : chunk_decode_stored(body.data, body.len, ret);
    return err < 0 ? err : 1;
}

static int blob_open(struct sqlite_reading *reading, int64_t id)
{
    sqlite3 *handle = reading->db->handle;
    int rc = reading->blob ? sqlite3_blob_reopen(reading->blob, id)
                           : sqlite3_blob_open(handle, "main", "chunks", "body", id, 0, &reading->blob);
    return db_error_of(handle, rc);
}

static void blob_close(struct sqlite_reading *reading)
{
    sqlite3_blob_close(TAKE_PTR(reading->blob));
}

// Reads bytes [from, to) of the chunk to their place in `body`.
static int blob_read(struct sqlite_reading *reading, size_t from, size_t to)
{
    int rc = sqlite3_blob_read(reading->blob, reading->body.data + from, (int)(to - from), (int)from);
    return db_error_of(reading->db->handle, rc);
}

// Loads a closed chunk, or the front of one if that suffices.
static int chunk_skim(struct sqlite_reading *reading, int64_t id, uint64_t first, struct chunk **ret)
{
    int err = blob_open(reading, id);
    if (err < 0)
        return err;
    size_t len = (size_t)sqlite3_blob_bytes(reading->blob), given = MIN(len, (size_t)CHUNK_FRONT_BYTES);
    struct chunk *front = NULL;
    if (len == 0)
        return cold_load(reading, first, ret);
    buf_reset(&reading->body);
    buf_reserve(&reading->body, len + 1);
    err = blob_read(reading, 0, given);
    if (err == 0 && chunk_decode_front(reading->body.data, given, len, &front) &&
        filter_wants_front(reading->base.read->skim, front)) {
        *ret = front;
        return 1;
    }
    chunk_unref(&front);
    err = err == 0 ? blob_read(reading, given, len) : err;
    err = err == 0 ? chunk_decode_closed(reading->body.data, len, ret) : err;
    return err < 0 ? err : 1;
}

static int pack_load_body(struct sqlite_reading *reading, int64_t id)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(reading->db, STATEMENT_HOT_BODY);
    db_bind_i64(find, 1, id);
    reading->pack_id = 0;
    int rc = db_row(find);
    if (rc <= 0)
        return rc;
    int err = pack_body_unpack(db_column_blob(find, 0), &reading->pack);
    if (err < 0)
        return err;
    reading->pack_id = id;
    return 1;
}

static int piece_load(struct sqlite_reading *reading, const struct hot_piece *piece, struct chunk **ret)
{
    int rc = piece->id == reading->pack_id ? 1 : pack_load_body(reading, piece->id);
    if (rc <= 0)
        return rc;
    int err = pack_chunk(&reading->pack, piece, ret);
    return err < 0 ? err : 1;
}

// Returns 1 with the chunk that covers `at`, 0 if this snapshot has none, or an error.
static int find_hot(struct sqlite_reading *reading, uint64_t at, struct store_segment *ret)
{
    for (size_t i = 0; i < reading->piece_count; i++) {
        const struct hot_piece *piece = &reading->pieces[i];
        if (at < piece->first || at >= piece->first + piece->count)
            continue;
        ret->first = piece->first;
        return piece_load(reading, piece, &ret->chunk); // 0: it was merged and deleted meanwhile
    }
    return 0;
}

static int find_merged(struct sqlite_reading *reading, uint64_t at, struct store_segment *ret)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(reading->db, STATEMENT_CHUNK_AT);
    db_bind_i64(find, 1, reading->base.read->row);
    db_bind_u64(find, 2, at);
    int rc = db_row(find);
    if (rc <= 0)
        return rc;
    uint64_t first = db_column_u64(find, 1);
    if (at >= first + db_column_u64(find, 2))
        return 0;
    ret->first = first;
    int64_t id = db_column_i64(find, 0);
    bool cut = first < at && reading->base.read->ret_count > 0; // then its records are needed
    return reading->base.read->skim && !cut ? chunk_skim(reading, id, first, &ret->chunk)
                                            : chunk_load(reading, id, first, &ret->chunk);
}

static int covering(struct reading *base, uint64_t at, struct store_segment *ret)
{
    struct sqlite_reading *reading = reading_of(base);
    int rc = find_hot(reading, at, ret);
    return rc != 0 ? rc : find_merged(reading, at, ret);
}

// The pieces are taken before the snapshot.
static int begin(struct reading *base)
{
    struct sqlite_reading *reading = reading_of(base);
    struct store_read *read = base->read;
    struct hot *hot = &reading->store->hot;
    struct log_state state = {0};
    hot_state(hot, read->row, &state);
    reading->piece_count =
        hot_pieces(hot, read->row, read->from, read->backward, reading->pieces, ARRAY_LEN(reading->pieces));
    int err = db_run(db_statement(reading->db, STATEMENT_BEGIN_READ));
    if (err == 0)
        err = catalogue_execution_extent(reading->db->sql, read->row, &read->ret_next, &read->ret_first_sequence, NULL);
    read->ret_next = MAX(read->ret_next, state.next);
    return err;
}

static void end(struct reading *base)
{
    struct sqlite_reading *reading = reading_of(base);
    blob_close(reading); // it would keep the snapshot
    db_run(db_statement(reading->db, STATEMENT_COMMIT));
}

static int since(struct reading *base, uint64_t *ret)
{
    struct sqlite_reading *reading = reading_of(base);
    const struct store_read *read = base->read;
    uint64_t hot_first = UINT64_MAX;
    hot_since(&reading->store->hot, read->row, read->since_ms, &hot_first);
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(reading->db, STATEMENT_CHUNK_SINCE);
    db_bind_i64(find, 1, read->row);
    db_bind_i64(find, 2, read->since_ms);
    int rc = db_row(find);
    uint64_t merged_first = rc == 1 ? db_column_u64(find, 0) : UINT64_MAX;
    *ret = MIN(hot_first, merged_first);
    return MIN(rc, 0);
}

void log_read(const struct session *session, struct store_op *op)
{
    static const struct reading_engine engine = {begin, covering, end, since};
    struct sqlite_reading reading = {
        .base = {session, CONTAINER_OF(op, struct store_read, op), 0},
        .store = sqlite_store_of(&session->engine->base),
        .db = session->connection,
    };
    reading_run(&reading.base, &engine);
    buf_release(&reading.pack);
    buf_release(&reading.body);
}
