// Counts over the executions of a workflow: each counts for the time at which it was made, with what its log's summary
// says. The summaries are asked for one after the other, and added up on the store's threads.
#include "api/workflows/summarised.h"
#include "api/workflows/summary.h"
#include "api/workflows/workflows.h"
#include "model/statistics.h"

#define LIST_BYTES_MAX ((size_t)16 * 1024 * 1024)

struct bucket_statuses {
    uint64_t executions, of[STATUS_COUNT];
};

struct counting {
    struct store_list list;
    struct summarised summarised;
    struct call *call;
    unsigned buckets;
    struct statistics statistics;
    struct bucket_statuses *statuses, whole;
    size_t at; // the execution whose summary is asked for
};

static void counting_free(struct counting *it)
{
    statistics_release(&it->statistics);
    free(it->statuses);
    store_op_release(&it->list.op);
    call_unref(it->call);
    free(it);
}

// --- The answer

static void add_statuses(struct json_writer *json, const struct bucket_statuses *statuses)
{
    json_add_u64(json, "executions", statuses->executions);
    json_open_object(json, "statuses");
    for (enum execution_status status = 0; status < STATUS_COUNT; status++)
        if (statuses->of[status] > 0)
            json_add_u64(json, status_word(status), statuses->of[status]);
    json_close(json);
}

static struct statistics_bucket sum_of(const struct statistics *statistics)
{
    struct statistics_bucket sum = {0};
    for (unsigned i = 0; i < statistics->bucket_count; i++)
        statistics_bucket_add(&sum, &statistics->buckets[i]);
    return sum;
}

static void answer(struct counting *it)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    const struct statistics_bucket sum = sum_of(&it->statistics);
    json_open_object(&json, NULL);
    json_add_text(&json, "workflow_id", it->call->workflow.workflow_id);
    json_add_bool(&json, "more_executions", it->list.ret_next_row != 0);
    add_statuses(&json, &it->whole);
    statistics_bucket_write(&json, &it->statistics, &sum);
    json_add_i64(&json, "bucket_ms", it->statistics.bucket_ms);
    json_open_array(&json, "buckets");
    for (unsigned i = 0; i < it->statistics.bucket_count && it->whole.executions > 0; i++) {
        json_open_object(&json, NULL);
        json_add_time(&json, "start", it->statistics.from_ms + (int64_t)i * it->statistics.bucket_ms);
        add_statuses(&json, &it->statuses[i]);
        statistics_bucket_write(&json, &it->statistics, &it->statistics.buckets[i]);
        json_close(&json);
    }
    json_close(&json);
    json_close(&json);
    call_answer(it->call, 200, &json);
    counting_free(it);
}

// --- Counting

static int add_summary(struct summarised *summarised, const struct summary *summary)
{
    struct counting *it = CONTAINER_OF(summarised, struct counting, summarised);
    statistics_add_summary(&it->statistics, summary, it->list.ret_executions[it->at].created_ms);
    return 0;
}

static void count_next(struct counting *it);

static void counted(struct summarised *summarised, int err, const struct summary *summary)
{
    struct counting *it = CONTAINER_OF(summarised, struct counting, summarised);
    (void)summary;
    if (err < 0 && err != ERR_EXPIRED && err != ERR_NOT_FOUND) { // purged meanwhile: its records count for nothing
        call_fail(it->call, err, NULL);
        counting_free(it);
        return;
    }
    it->at++;
    count_next(it);
}

static void count_next(struct counting *it)
{
    const struct call *call = it->call;
    while (it->at < it->list.ret_count && it->list.ret_executions[it->at].next_sequence == 0)
        it->at++; // its log is empty
    if (it->at == it->list.ret_count) {
        answer(it);
        return;
    }
    it->summarised = (struct summarised){.process = add_summary, .call = call, .done = counted};
    summarised_ask(&it->summarised, call->api, call->principal.account, it->list.ret_executions[it->at].row);
}

static void count_statuses(struct counting *it)
{
    for (size_t i = 0; i < it->list.ret_count; i++) {
        const struct execution *execution = &it->list.ret_executions[i];
        struct bucket_statuses *bucket = &it->statuses[statistics_bucket_of(&it->statistics, execution->created_ms)];
        struct bucket_statuses *const both[] = {bucket, &it->whole};
        for (size_t b = 0; b < ARRAY_LEN(both); b++) {
            both[b]->executions++;
            both[b]->of[execution->status]++;
        }
    }
}

static void listed(struct store_op *op)
{
    struct counting *it = CONTAINER_OF(op, struct counting, list.op);
    struct call *call = it->call;
    size_t count = it->list.ret_count;
    if (op->err) {
        call_fail(call, op->err, NULL);
        counting_free(it);
    } else {
        int64_t last_ms = count > 0 ? it->list.ret_executions[0].created_ms : 0;
        int64_t first_ms = count > 0 ? it->list.ret_executions[count - 1].created_ms : 0;
        statistics_init(&it->statistics, MIN(first_ms, last_ms), MAX(first_ms, last_ms), it->buckets);
        it->statuses = xcalloc(it->statistics.bucket_count, sizeof(*it->statuses));
        count_statuses(it);
        count_next(it);
    }
    call_unref(call);
}

void workflows_run_statistics(struct call *call)
{
    struct counting *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->buckets = (unsigned)call_param(call, "buckets").number;
    it->list = (struct store_list){
        .account = call->principal.account,
        .owner = call_asking_user(call),
        .workflow_ids = {.items = {str_of(call->workflow.workflow_id)}, .count = 1},
        .since_ms = call_param(call, "since").number,
        .limit = (unsigned)call_param(call, "executions").number,
        .max_bytes = LIST_BYTES_MAX,
    };
    call_ref(call);
    call_submit(call, STORE_LIST, &it->list.op, listed);
}
