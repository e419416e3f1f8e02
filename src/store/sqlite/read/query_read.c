// Reads records from the chunk on that covers a position. It reads `chunks` and the hot table as one state of the
// database.
#include "store/sqlite/sqlite_log.h"
#include "store/sqlite/sqlite_private.h"

#define READ_ATTEMPTS 64

struct reading {
    struct sqlite_store *store;
    struct db *db;
    struct store_read *read;
    struct hot_piece pieces[STORE_READ_SEGMENTS]; // taken before the snapshot
    size_t piece_count;
    struct buf pack;    // the body of the pack that was read last
    int64_t pack_id;    // 0: none
    sqlite3_blob *blob; // of the chunk that was skimmed last
    struct buf body;
    size_t bytes;
};

static int chunk_load(struct reading *reading, int64_t id, struct chunk **ret)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(reading->db, STATEMENT_CHUNK_BODY);
    db_bind_i64(find, 1, id);
    int rc = db_row(find);
    if (rc <= 0)
        return rc;
    struct str body = db_column_blob(find, 0);
    int err = reading->read->closed ? chunk_decode_closed(body.data, body.len, ret)
                                    : chunk_decode_stored(body.data, body.len, ret);
    return err < 0 ? err : 1;
}

static int blob_open(struct reading *reading, int64_t id)
{
    sqlite3 *handle = reading->db->handle;
    int rc = reading->blob ? sqlite3_blob_reopen(reading->blob, id)
                           : sqlite3_blob_open(handle, "main", "chunks", "body", id, 0, &reading->blob);
    return db_error_of(handle, rc);
}

static void blob_close(struct reading *reading)
{
    sqlite3_blob_close(TAKE_PTR(reading->blob));
}

// Reads bytes [from, to) of the chunk to their place in `body`.
static int blob_read(struct reading *reading, size_t from, size_t to)
{
    int rc = sqlite3_blob_read(reading->blob, reading->body.data + from, (int)(to - from), (int)from);
    return db_error_of(reading->db->handle, rc);
}

// Loads a closed chunk, or the front of one if that suffices.
static int chunk_skim(struct reading *reading, int64_t id, struct chunk **ret)
{
    int err = blob_open(reading, id);
    if (err < 0)
        return err;
    size_t len = (size_t)sqlite3_blob_bytes(reading->blob), given = MIN(len, (size_t)CHUNK_FRONT_BYTES);
    struct chunk *front = NULL;
    buf_reset(&reading->body);
    buf_reserve(&reading->body, len + 1);
    err = blob_read(reading, 0, given);
    if (err == 0 && chunk_decode_front(reading->body.data, given, len, &front) &&
        filter_wants_front(reading->read->skim, front)) {
        *ret = front;
        return 1;
    }
    chunk_unref(&front);
    err = err == 0 ? blob_read(reading, given, len) : err;
    err = err == 0 ? chunk_decode_closed(reading->body.data, len, ret) : err;
    return err < 0 ? err : 1;
}

static int pack_load_body(struct reading *reading, int64_t id)
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

static int piece_load(struct reading *reading, const struct hot_piece *piece, struct chunk **ret)
{
    int rc = piece->id == reading->pack_id ? 1 : pack_load_body(reading, piece->id);
    if (rc <= 0)
        return rc;
    int err = pack_chunk(&reading->pack, piece, ret);
    return err < 0 ? err : 1;
}

// Returns 1 with the chunk that covers `at`, 0 if this snapshot has none, or an error.
static int find_hot(struct reading *reading, uint64_t at, struct store_segment *ret)
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

static int find_merged(struct reading *reading, uint64_t at, struct store_segment *ret)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(reading->db, STATEMENT_CHUNK_AT);
    db_bind_i64(find, 1, reading->read->row);
    db_bind_u64(find, 2, at);
    int rc = db_row(find);
    if (rc <= 0)
        return rc;
    uint64_t first = db_column_u64(find, 1);
    if (at >= first + db_column_u64(find, 2))
        return 0;
    ret->first = first;
    int64_t id = db_column_i64(find, 0);
    bool cut = first < at && reading->read->ret_count > 0; // then its records are needed
    return reading->read->skim && !cut ? chunk_skim(reading, id, &ret->chunk) : chunk_load(reading, id, &ret->chunk);
}

static int find_covering(struct reading *reading, uint64_t at, struct store_segment *ret)
{
    int rc = find_hot(reading, at, ret);
    return rc != 0 ? rc : find_merged(reading, at, ret);
}

// If a chunk was merged while its parts were being read, it overlaps what is there already. That part is cut off.
static int trim(struct store_segment *segment, uint64_t from, uint64_t end)
{
    uint64_t skip = segment->first < from ? from - segment->first : 0;
    uint64_t segment_end = segment->first + chunk_count(segment->chunk);
    uint64_t count = MIN(segment_end, end) - segment->first - skip;
    if (count == chunk_count(segment->chunk))
        return 0;
    int err = chunk_open(&segment->chunk);
    if (err < 0)
        return err;
    struct chunk *part = chunk_slice(segment->chunk, (uint32_t)skip, (uint32_t)count, 1);
    chunk_unref(&segment->chunk);
    *segment = (struct store_segment){segment->first + skip, part};
    return 0;
}

// How much memory it takes.
static size_t weight(const struct store_segment *segment)
{
    return chunk_is_open(segment->chunk) ? chunk_raw(segment->chunk) : chunk_memory(segment->chunk);
}

static bool wants_more(const struct reading *reading)
{
    const struct store_read *read = reading->read;
    return read->ret_count == 0 || (read->ret_count < STORE_READ_SEGMENTS && reading->bytes < read->max_bytes);
}

static int read_forward(struct reading *reading)
{
    struct store_read *read = reading->read;
    uint64_t at = MAX(read->from, read->ret_first_sequence);
    while (wants_more(reading)) {
        struct store_segment *segment = &read->ret_segments[read->ret_count];
        int rc = find_covering(reading, at, segment);
        if (rc < 0)
            return rc;
        if (rc == 0)
            return at < read->ret_next ? 0 : 1;
        if (read->ret_count++ > 0)
            rc = trim(segment, at, UINT64_MAX);
        if (rc < 0)
            return rc;
        reading->bytes += weight(segment);
        at = segment->first + chunk_count(segment->chunk);
        read->ret_next = MAX(read->ret_next, at);
    }
    return 1;
}

static void reverse_segments(struct store_read *read)
{
    for (size_t i = 0; i < read->ret_count / 2; i++) {
        struct store_segment *other = &read->ret_segments[read->ret_count - 1 - i], kept = *other;
        *other = read->ret_segments[i];
        read->ret_segments[i] = kept;
    }
}

static int read_backward(struct reading *reading)
{
    struct store_read *read = reading->read;
    uint64_t before = MIN(read->from, read->ret_next);
    while (before > read->ret_first_sequence && wants_more(reading)) {
        struct store_segment *segment = &read->ret_segments[read->ret_count];
        int rc = find_covering(reading, before - 1, segment);
        if (rc <= 0)
            return rc;
        if (read->ret_count++ > 0)
            rc = trim(segment, 0, before);
        if (rc < 0)
            return rc;
        reading->bytes += weight(segment);
        before = segment->first;
    }
    reverse_segments(read);
    return 1;
}

static int read_extent(struct reading *reading)
{
    struct store_read *read = reading->read;
    return catalogue_execution_extent(reading->db->sql, read->row, &read->ret_next, &read->ret_first_sequence);
}

static void forget_segments(struct store_read *read)
{
    for (size_t i = 0; i < read->ret_count; i++)
        chunk_unref(&read->ret_segments[i].chunk);
    read->ret_count = 0;
}

// Returns 1 when done; 0 if the pieces did not fit the snapshot, because a merge or a commit came between; then it must
// be tried again.
static int read_snapshot(struct reading *reading)
{
    struct store_read *read = reading->read;
    struct sqlite_store *store = reading->store;
    forget_segments(read);
    reading->bytes = 0;
    struct log_state hot = {0};
    hot_state(&store->hot, read->row, &hot);
    reading->piece_count =
        hot_pieces(&store->hot, read->row, read->from, read->backward, reading->pieces, ARRAY_LEN(reading->pieces));
    int err = db_run(db_statement(reading->db, STATEMENT_BEGIN_READ));
    if (err == 0)
        err = read_extent(reading);
    if (err == 0) {
        read->ret_next = MAX(read->ret_next, hot.next);
        err = read->backward ? read_backward(reading) : read_forward(reading);
    }
    blob_close(reading); // it would keep the snapshot
    db_run(db_statement(reading->db, STATEMENT_COMMIT));
    return err;
}

// Turns a time into a position.
static int resolve_time(struct reading *reading)
{
    struct store_read *read = reading->read;
    uint64_t hot_first = UINT64_MAX;
    hot_since(&reading->store->hot, read->row, read->since_ms, &hot_first);
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(reading->db, STATEMENT_CHUNK_SINCE);
    db_bind_i64(find, 1, read->row);
    db_bind_i64(find, 2, read->since_ms);
    int rc = db_row(find);
    if (rc < 0)
        return rc;
    uint64_t merged_first = rc == 1 ? db_column_u64(find, 0) : UINT64_MAX;
    read->from = MIN(hot_first, merged_first);
    return 0;
}

void log_read(const struct session *session, struct store_op *op)
{
    struct reading reading = {
        .store = sqlite_store_of(&session->engine->base),
        .db = session->connection,
        .read = CONTAINER_OF(op, struct store_read, op),
    };
    struct store_read *read = reading.read;
    int rc = read->by_time ? resolve_time(&reading) : 0;
    if (rc == 0) {
        for (int attempt = 0; attempt < READ_ATTEMPTS && rc == 0; attempt++)
            rc = read_snapshot(&reading);
    }
    op->err = rc < 0 ? rc : rc == 0 ? ERR_CORRUPT : 0;
    if (op->err < 0)
        forget_segments(read);
    buf_release(&reading.pack);
    buf_release(&reading.body);
}
