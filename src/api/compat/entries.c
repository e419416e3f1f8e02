// Reads a log from its beginning, counts what matches, and takes what lies on the page. Chunks whose header tells how
// many match are counted closed; so most of a log is passed over without being decoded.
#include "api/compat/entries.h"

#define READ_BYTES (16u * 1024 * 1024) // of payload in one look, unless nothing is filtered
#define PAGE_BYTES (8u * 1024 * 1024)  // then the page ends early

void entries_release(struct entries *it)
{
    filter_unref(&it->filter);
    buf_release(&it->json);
}

static bool full(const struct entries *it)
{
    return it->taken >= it->limit || it->json.len >= PAGE_BYTES;
}

// --- On the reader's thread

static void take(struct entries *it, const struct record *record, uint64_t sequence)
{
    if (it->taken++ > 0)
        buf_append_byte(&it->json, ',');
    it->append(&it->json, record, str_of(it->execution->execution_id), sequence);
    it->next_cursor = sequence + 1;
}

static void look_at_records(struct entries *it, const struct store_segment *segment)
{
    for (uint64_t i = it->at - segment->first; i < chunk_count(segment->chunk); i++) {
        struct record record;
        chunk_record(segment->chunk, (uint32_t)i, &record);
        if (!filter_match_fields(it->filter, &it->run, segment->chunk, (uint32_t)i, &record))
            continue;
        if (it->matched >= it->offset && !full(it))
            take(it, &record, segment->first + i);
        it->matched++;
    }
}

static int look_at(struct entries *it, struct store_segment *segment)
{
    uint64_t end = segment->first + chunk_count(segment->chunk);
    uint32_t count;
    if (end <= it->at)
        return 0;
    it->at = MAX(it->at, segment->first);
    bool whole = it->at == segment->first && filter_tells_count(it->filter, segment->chunk, &count);
    bool passed = whole && (count == 0 || full(it) || it->matched + count <= it->offset);
    int err = passed ? 0 : chunk_open(&segment->chunk);
    if (passed)
        it->matched += count;
    else if (err == 0)
        look_at_records(it, segment);
    it->at = end;
    return err;
}

static void process(struct store_op *op)
{
    struct entries *it = CONTAINER_OF(op, struct entries, read.op);
    struct store_read *read = &it->read;
    if (op->err)
        return;
    it->end = read->ret_next;
    it->at = MAX(it->at, read->ret_first_sequence);
    filter_run_init(&it->run, it->filter, 0);
    for (size_t i = 0; i < read->ret_count && op->err == 0; i++)
        op->err = look_at(it, &read->ret_segments[i]);
    filter_run_release(&it->run);
    store_read_forget(read);
}

// --- On the loop

static void read_on(struct entries *it);

static void read_done(struct store_op *op)
{
    struct entries *it = CONTAINER_OF(op, struct entries, read.op);
    int err = op->err;
    bool nothing = it->read.ret_count == 0;
    store_op_release(op);
    bool counts = !it->by_cursor && it->filter;
    bool over = it->at >= it->end || (full(it) && !counts) || !it->call->request;
    if (err == 0 && nothing && !over)
        err = ERR_CORRUPT;
    if (err == 0 && !over) {
        read_on(it);
        return;
    }
    if (!it->filter)
        it->matched = it->end - MIN(it->execution->first_sequence, it->end);
    if (!full(it))
        it->next_cursor = it->at;
    metrics_add(it->call->api->options.metrics, it->call->api->options.shard, METRIC_page_records_total,
                (int64_t)it->taken);
    it->done(it, err);
    // `it` may be gone.
}

static void read_on(struct entries *it)
{
    uint64_t mean = it->execution->message_bytes / MAX(it->execution->next_sequence, 1u) + 64;
    it->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = it->call->api->options.loop,
               .done = read_done,
               .process = process,
               .account = it->call->principal.account,
               .scan = it->filter != NULL},
        .row = it->execution->row,
        .from = it->at,
        .closed = it->filter != NULL,
        .max_bytes = it->filter ? READ_BYTES : (size_t)MIN((it->limit - it->taken) * mean, (uint64_t)READ_BYTES),
    };
    store_submit(it->call->api->options.store, &it->read.op);
}

void entries_read(struct entries *it)
{
    it->at = it->by_cursor ? it->cursor : it->execution->first_sequence;
    if (!it->by_cursor && !it->filter) {
        it->at += MIN(it->offset, UINT64_MAX - it->at); // each record counts
        it->offset = 0;
    }
    it->next_cursor = it->at;
    read_on(it);
}
