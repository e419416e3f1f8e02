// What may be cut off the front of a log. A chunk goes as a whole, and only if what is left behind it is enough.
#include "store/engine/read/query.h"

#define SLICE_CHUNKS 32
#define SLICE_BYTES  ((size_t)8 * 1024 * 1024) // of payload that a slice looks at

struct cutting {
    const struct session *session;
    struct store_front *front;
    struct log_state log;
    struct retention_log limits;
    struct log_extent chunks[SLICE_CHUNKS];
    size_t count, bytes;
};

// The front after the chunk has gone. What cannot be read may go, too, but then nobody knows the digest.
static int front_after(struct cutting *it, const struct log_extent *at, struct log_front *ret)
{
    CLEANUP(chunk_unref) struct chunk *chunk = NULL;
    const struct log_front *before = &it->front->ret_after;
    int rc = it->session->engine->log->chunk(it->session, at, &chunk);
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
static int take_chunk(struct cutting *it, const struct log_extent *at)
{
    struct log_front after;
    if (at->end > it->log.next)
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

void query_front(const struct session *session, struct store_op *op)
{
    struct store_front *front = CONTAINER_OF(op, struct store_front, op);
    const struct log_engine *log = session->engine->log;
    struct cutting it = {.session = session, .front = front};
    struct log_state ahead;
    size_t taken = 0;
    bool is_ahead = log->ahead && log->ahead(session, front->row, &ahead);
    int rc = catalogue_front_get(session->sql, front->row, front->rules, &front->ret_before, &it.log, &it.limits);
    front->ret_after = front->ret_before;
    if (rc == 0 && is_ahead && ahead.next > it.log.next)
        it.log = ahead;
    if (rc == 0 && retention_log_limits(&it.limits))
        rc = log->extents(session, front->row, front->ret_before.first, it.chunks, SLICE_CHUNKS, &it.count);
    while (rc >= 0 && taken < it.count && it.bytes < SLICE_BYTES && (rc = take_chunk(&it, &it.chunks[taken])) == 1)
        taken++;
    front->ret_more = taken > 0 && (taken == it.count || it.bytes >= SLICE_BYTES);
    op->err = MIN(rc, 0);
}
