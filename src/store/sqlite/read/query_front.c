// What may be cut off the front of a log. A chunk goes as a whole, and only if what is left behind it is enough.
#include "store/sqlite/sqlite_log.h"
#include "store/sqlite/sqlite_private.h"

#define SLICE_CHUNKS 32
#define SLICE_BYTES  ((size_t)8 * 1024 * 1024) // of payload that a slice looks at

struct front_chunk {
    int64_t id;
    uint64_t first, end;
};

struct cutting {
    struct db *db;
    struct store_front *front;
    struct log_state log;
    struct retention_log limits;
    uint64_t merged_to; // what begins there or later is not merged
    struct front_chunk chunks[SLICE_CHUNKS];
    size_t count, bytes;
};

static int list_chunks(struct cutting *it)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(it->db, STATEMENT_CHUNKS_FROM);
    db_bind_i64(find, 1, it->front->row);
    db_bind_u64(find, 2, it->front->ret_before.first);
    db_bind_i64(find, 3, SLICE_CHUNKS);
    int rc = 0;
    while (it->count < SLICE_CHUNKS && (rc = db_row(find)) == 1) {
        uint64_t first = db_column_u64(find, 1);
        it->chunks[it->count++] = (struct front_chunk){db_column_i64(find, 0), first, first + db_column_u64(find, 2)};
    }
    return MIN(rc, 0);
}

// Returns 1 with the chunk; 0 if it is not there any more, because it was merged with others; or an error.
static int chunk_load(struct db *db, int64_t id, struct chunk **ret)
{
    CLEANUP(db_reset) sqlite3_stmt *find = db_statement(db, STATEMENT_CHUNK_BODY);
    db_bind_i64(find, 1, id);
    int rc = db_row(find);
    if (rc <= 0)
        return rc;
    struct str body = db_column_blob(find, 0);
    int err = chunk_decode_stored(body.data, body.len, ret);
    return err < 0 ? err : 1;
}

// The front after the chunk has gone. What cannot be read may go, too, but then nobody knows the digest.
static int front_after(struct cutting *it, const struct front_chunk *at, struct log_front *ret)
{
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    const struct log_front *before = &it->front->ret_after;
    int rc = chunk_load(it->db, at->id, &chunk);
    bool damaged = rc == ERR_CORRUPT || rc == ERR_TOO_LARGE;
    if (rc <= 0 && !damaged)
        return rc;
    *ret = (struct log_front){.first = at->end, .bytes = before->bytes};
    ret->has_digest = before->has_digest && !damaged && at->first == before->first;
    if (ret->has_digest)
        ret->digest = chunk_digest(chunk, before->digest);
    if (!damaged) {
        ret->bytes += chunk_message_bytes(chunk);
        it->bytes += chunk_raw(chunk);
    }
    return 1;
}

// Returns 1 if the chunk goes.
static int take_chunk(struct cutting *it, const struct front_chunk *at)
{
    struct log_front after;
    if (at->end > it->merged_to || at->end > it->log.next)
        return 0;
    // Bytes are known only when it is unpacked.
    if (it->limits.bytes_max == 0 && !retention_log_lets_go(&it->limits, it->log.next - at->end, 0))
        return 0;
    int rc = front_after(it, at, &after);
    if (rc <= 0)
        return rc == ERR_TOO_NEW ? 0 : rc;
    uint64_t bytes_left = it->log.message_bytes - MIN(after.bytes, it->log.message_bytes);
    if (!retention_log_lets_go(&it->limits, it->log.next - at->end, bytes_left))
        return 0;
    it->front->ret_after = after;
    return 1;
}

void log_front(const struct session *session, struct store_op *op)
{
    struct sqlite_store *store = sqlite_store_of(&session->engine->base);
    struct store_front *front = CONTAINER_OF(op, struct store_front, op);
    struct cutting it = {.db = session->connection, .front = front, .merged_to = UINT64_MAX};
    struct hot_piece piece;
    struct log_state hot;
    size_t taken = 0;
    // Before the database is read: what is missing here was merged by then.
    if (hot_pieces(&store->hot, front->row, 0, false, &piece, 1) > 0)
        it.merged_to = piece.first;
    bool is_hot = hot_state(&store->hot, front->row, &hot);
    int rc = catalogue_front_get(session->sql, front->row, front->rules, &front->ret_before, &it.log, &it.limits);
    front->ret_after = front->ret_before;
    if (rc == 0 && is_hot && hot.next > it.log.next)
        it.log = hot;
    if (rc == 0 && retention_log_limits(&it.limits))
        rc = list_chunks(&it);
    while (rc >= 0 && taken < it.count && it.bytes < SLICE_BYTES && (rc = take_chunk(&it, &it.chunks[taken])) == 1)
        taken++;
    front->ret_more = taken > 0 && (taken == it.count || it.bytes >= SLICE_BYTES);
    op->err = MIN(rc, 0);
}
