// Reads a log from its beginning, counts what matches, and takes what lies on the page. Chunks whose header tells how
// many match are counted closed; so most of a log is passed over without being decoded. The first record of a group
// decides for those that continue it, as everywhere (model/line_filter.h).
#include "api/compat/entries.h"

#include "model/line_filter.h"

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

static bool wanted(struct entries *it, const struct chunk *chunk, uint32_t i, const struct record *record)
{
    if (record->continues && it->before_known && it->before_stream == record->stream)
        return it->before_wanted;
    return filter_match_fields(it->filter, &it->run, chunk, i, record);
}

// Returns false if it must begin earlier, where the group of the first record began.
static bool look_at_records(struct entries *it, const struct store_segment *segment)
{
    for (uint64_t i = it->from - segment->first; i < chunk_count(segment->chunk); i++) {
        uint64_t sequence = segment->first + i;
        struct record record;
        chunk_record(segment->chunk, (uint32_t)i, &record);
        if (it->filter && record.continues && sequence == it->begin && it->from == it->begin && !it->looked_back)
            return false;
        bool match = wanted(it, segment->chunk, (uint32_t)i, &record);
        it->before_known = true;
        it->before_wanted = match;
        it->before_stream = record.stream;
        if (!match || sequence < it->begin)
            continue;
        if (it->matched >= it->offset && !full(it))
            take(it, &record, sequence);
        it->matched++;
    }
    return true;
}

// `next` is the segment behind it; NULL: not known yet.
static int look_at(struct entries *it, struct store_segment *segment, const struct store_segment *next)
{
    uint64_t end = segment->first + chunk_count(segment->chunk);
    uint32_t count;
    if (end <= it->from)
        return 0;
    it->from = MAX(it->from, segment->first);
    bool apart = !it->filter || (next && !chunk_begins_within(next->chunk)); // nothing behind it asks how it ended
    bool whole = apart && it->from == segment->first && it->from >= it->begin &&
                 filter_tells_count(it->filter, segment->chunk, &count);
    bool passed = whole && (count == 0 || full(it) || it->matched + count <= it->offset);
    int err = passed ? 0 : chunk_open(&segment->chunk);
    if (passed) {
        it->matched += count;
        it->before_known = false;
    } else if (err == 0 && !look_at_records(it, segment)) {
        it->looked_back = it->begins_again = true;
        it->from -= MIN(it->from - it->execution->first_sequence, (uint64_t)LINE_SPAN_MAX);
        return 0;
    }
    it->from = end;
    return err;
}

static void process(struct store_op *op)
{
    struct entries *it = CONTAINER_OF(op, struct entries, read.op);
    struct store_read *read = &it->read;
    if (op->err)
        return;
    it->end = read->ret_next;
    it->from = MAX(it->from, read->ret_first_sequence);
    filter_run_init(&it->run, it->filter, 0);
    it->begins_again = false;
    for (size_t i = 0; i < read->ret_count && op->err == 0 && !it->begins_again; i++)
        op->err = look_at(it, &read->ret_segments[i], i + 1 < read->ret_count ? &read->ret_segments[i + 1] : NULL);
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
    bool over = it->from >= it->end || (full(it) && !counts) || !it->call->request;
    if (err == 0 && nothing && !over)
        err = ERR_CORRUPT;
    if (err == 0 && !over) {
        read_on(it);
        return;
    }
    if (!it->filter)
        it->matched = it->end - MIN(it->execution->first_sequence, it->end);
    if (!full(it))
        it->next_cursor = it->from;
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
        .from = it->from,
        .closed = it->filter != NULL,
        .max_bytes = it->filter ? READ_BYTES : (size_t)MIN((it->limit - it->taken) * mean, (uint64_t)READ_BYTES),
    };
    store_submit(it->call->api->options.store, &it->read.op);
}

void entries_read(struct entries *it)
{
    it->begin = it->by_cursor ? it->cursor : it->execution->first_sequence;
    if (!it->by_cursor && !it->filter) {
        it->begin += MIN(it->offset, UINT64_MAX - it->begin); // each record counts
        it->offset = 0;
    }
    it->from = it->begin;
    it->next_cursor = it->begin;
    read_on(it);
}
