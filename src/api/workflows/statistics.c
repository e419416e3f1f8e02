// Counts over time. The summary says when the log begins and ends; then the log is read in slices, each looked at on a
// reader's thread. Chunks of plain output that lie in one bucket are not opened.
#include "model/statistics.h"

#include "api/workflows/summarised.h"
#include "api/workflows/summary.h"

#define READ_BYTES ((size_t)1024 * 1024)

struct counting {
    struct summarised summarised; // for the time
    struct store_read read;
    struct call *call;
    struct statistics statistics;
    unsigned buckets;
    uint64_t next, end;
    struct buf text;
};

static void counting_free(struct counting *counting)
{
    statistics_release(&counting->statistics);
    buf_release(&counting->text);
    call_unref(counting->call);
    free(counting);
}

static void counting_fail(struct counting *counting, int err)
{
    call_fail(counting->call, err, NULL);
    counting_free(counting);
}

// --- The answer, on the reader's thread

static void add_counts(struct json_writer *json, const char *name, const struct statistics_names *names,
                       const uint64_t *counts)
{
    CLEANUP(buf_release) struct buf scratch = {0};
    json_open_object(json, name);
    for (size_t i = 0; i < names->count; i++) {
        if (counts[i] == 0)
            continue;
        buf_reset(&scratch);
        buf_append_str(&scratch, buf_str(&names->names[i]));
        json_add_u64(json, buf_cstr(&scratch), counts[i]);
    }
    json_close(json);
}

void statistics_bucket_write(struct json_writer *json, const struct statistics *statistics,
                             const struct statistics_bucket *bucket)
{
    json_add_u64(json, "records", bucket->records);
    levels_add(json, "levels", bucket->levels);
    add_counts(json, "event_types", &statistics->event_types, bucket->event_types);
    json_add_u64(json, "other_event_types", bucket->event_types[STATISTICS_NAMES_MAX]);
    add_counts(json, "nodes", &statistics->nodes, bucket->nodes);
    json_add_u64(json, "other_nodes", bucket->nodes[STATISTICS_NAMES_MAX]);
}

static void add_bucket(struct json_writer *json, const struct statistics *statistics, unsigned i)
{
    json_open_object(json, NULL);
    json_add_time(json, "start", statistics->from_ms + (int64_t)i * statistics->bucket_ms);
    statistics_bucket_write(json, statistics, &statistics->buckets[i]);
    json_close(json);
}

static void write_statistics(struct counting *counting)
{
    const struct statistics *statistics = &counting->statistics;
    struct json_writer json = json_writer_to(&counting->text);
    json_open_object(&json, NULL);
    json_add_text(&json, "execution_id", counting->call->execution.execution_id);
    json_add_u64(&json, "last_index", counting->end);
    json_add_i64(&json, "bucket_ms", statistics->bucket_ms);
    json_open_array(&json, "buckets");
    for (unsigned i = 0; i < statistics->bucket_count && counting->end > 0; i++)
        add_bucket(&json, statistics, i);
    json_close(&json);
    json_close(&json);
    json_writer_end(&json);
}

// --- Slices

static int count_segment(struct counting *counting, struct store_segment *segment)
{
    uint64_t first = segment->first, end = first + chunk_count(segment->chunk);
    uint64_t from = MAX(first, counting->next), to = MIN(end, counting->end);
    if (from >= to)
        return 0;
    bool part = from > first || to < end;
    int err = part || statistics_wants_open(&counting->statistics, segment->chunk) ? chunk_open(&segment->chunk) : 0;
    if (err < 0)
        return err;
    statistics_add(&counting->statistics, segment->chunk, (uint32_t)(from - first), (uint32_t)(to - first));
    counting->next = to;
    return 0;
}

static void read_process(struct store_op *op)
{
    struct counting *counting = CONTAINER_OF(op, struct counting, read.op);
    struct store_read *read = &counting->read;
    if (op->err < 0)
        return;
    counting->next = MAX(counting->next, read->ret_first_sequence);
    for (size_t i = 0; i < read->ret_count && op->err == 0; i++)
        op->err = count_segment(counting, &read->ret_segments[i]);
    if (op->err == 0 && read->ret_count == 0 && counting->next < counting->end)
        op->err = ERR_CORRUPT;
    store_read_forget(read);
    if (op->err == 0 && counting->next >= counting->end)
        write_statistics(counting);
}

static void read_next(struct counting *counting);

static void read_done(struct store_op *op)
{
    struct counting *counting = CONTAINER_OF(op, struct counting, read.op);
    int err = op->err;
    store_op_release(op);
    if (err < 0) {
        counting_fail(counting, err);
    } else if (counting->text.len == 0 && counting->call->request) {
        read_next(counting);
    } else {
        call_answer_json(counting->call, 200, &counting->text);
        counting_free(counting);
    }
}

static void read_next(struct counting *counting)
{
    struct call *call = counting->call;
    counting->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = call->api->options.loop,
               .done = read_done,
               .process = read_process,
               .account = call->principal.account,
               .scan = true},
        .row = call->execution.row,
        .from = counting->next,
        .max_bytes = READ_BYTES,
        .closed = true,
    };
    store_submit(call->api->options.store, &counting->read.op);
}

static void summary_done(struct summarised *summarised, int err, const struct summary *summary)
{
    struct counting *counting = CONTAINER_OF(summarised, struct counting, summarised);
    if (err < 0) {
        counting_fail(counting, err);
        return;
    }
    counting->end = summary->next;
    statistics_init(&counting->statistics, summary->first_ms, summary->last_ms, counting->buckets);
    read_next(counting);
}

void workflows_statistics(struct call *call)
{
    struct counting *counting = xcalloc(1, sizeof(*counting));
    counting->call = call;
    counting->buckets = (unsigned)call_param(call, "buckets").number;
    counting->summarised = (struct summarised){.call = call, .done = summary_done};
    call_ref(call);
    summarised_ask(&counting->summarised, call->api, call->principal.account, call->execution.row);
}
