// Counts a log: from the cache or the stored row on, what follows it. Chunks are read closed, and opened only where
// there is more to count than their header tells.
#include "store/cold.h"
#include "store/engine/read/query.h"
#include "store/summary_cache.h"

#define READ_BYTES ((size_t)1024 * 1024)

static int load_row(const struct session *session, struct store_summary *query)
{
    CLEANUP(buf_release) struct buf bytes = {0};
    int err = catalogue_summary_get(session->sql, query->row, &bytes);
    // What cannot be decoded is counted anew.
    int decoded = err == 0 && bytes.len > 0 ? summary_decode(buf_str(&bytes), &query->ret_summary) : ERR_CORRUPT;
    if (decoded < 0)
        summary_init(&query->ret_summary, 0);
    query->foreign = decoded == ERR_TOO_NEW;
    return err;
}

static int begin(const struct session *session, struct store_summary *query)
{
    query->started = true;
    if (summary_cache_get(session->engine->summaries, query->row, &query->ret_summary))
        return 0;
    return load_row(session, query);
}

static int fold_segment(struct summary *summary, struct store_segment *segment, size_t *cost)
{
    bool open = summary_wants_open(summary, segment->chunk, segment->first);
    *cost += summary_weight(summary, segment->chunk, segment->first);
    int err = open ? chunk_open(&segment->chunk) : 0;
    return err < 0 ? err : summary_add(summary, segment->chunk, segment->first);
}

// Reads and counts what follows. Returns 1 at the end of the log, 0 if there is more, or an error.
static int fold_read(const struct session *session, struct store_summary *query, size_t *cost)
{
    struct summary *summary = &query->ret_summary;
    struct store_read read = {
        .op.kind = STORE_READ, .row = query->row, .from = summary->next, .max_bytes = READ_BYTES, .closed = true};
    query_read(session, &read.op);
    int err = read.op.err;
    if (err == 0)
        summary_skip(summary, read.ret_first_sequence);
    for (size_t i = 0; i < read.ret_count && err == 0; i++)
        err = fold_segment(summary, &read.ret_segments[i], cost);
    query->ret_chunks += read.ret_count;
    pthread_mutex_lock(&session->engine->stats_mutex);
    session->engine->stats.summary_chunks += read.ret_count;
    pthread_mutex_unlock(&session->engine->stats_mutex);
    store_read_forget(&read);
    if (err == ERR_GAP)
        err = ERR_CORRUPT;
    return err < 0 ? err : summary->next >= read.ret_next;
}

void query_summary(const struct session *session, struct store_op *op)
{
    struct store_summary *query = CONTAINER_OF(op, struct store_summary, op);
    int rc = query->started ? 0 : begin(session, query);
    uint64_t began = query->ret_summary.next;
    size_t cost = 0;
    query->ret_more = false;
    while (rc == 0 && cost < SUMMARY_SLICE_BYTES)
        rc = fold_read(session, query, &cost);
    // What is there by now is a slice: one query may ask for what lies elsewhere only so many times.
    if (rc == ERR_COLD && query->ret_summary.next > began) {
        cold_wants_forget(op);
        rc = 0;
    }
    op->err = MIN(rc, 0);
    query->ret_more = rc == 0;
    if (rc == ERR_COLD && cold_wants_any(session->op))
        return; // it goes on here
    if (rc < 0)
        summary_release(&query->ret_summary);
    else
        summary_cache_put(session->engine->summaries, query->row, &query->ret_summary,
                          query->foreign ? SUMMARY_FOREIGN : cost);
}
