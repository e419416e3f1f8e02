// The workflow log API: the latest execution of a workflow with the end of its log, and those before it.
#include "api/compat/compat.h"
#include "api/compat/entries.h"
#include "api/workflows/summarised.h"
#include "model/log_entry.h"
#include "util/clock.h"

#define OTHERS_MAX     10
#define COUNTED_MAX    10000
#define LIST_BYTES_MAX ((size_t)1024 * 1024)

struct recent {
    struct store_list list;
    struct entries entries;
    struct summarised summarised;
    struct call *call;
    char workflow_id[256], owner[sizeof(((struct principal *)NULL)->user)];
    bool all;
    unsigned limit;
};

static void recent_free(struct recent *it)
{
    store_op_release(&it->list.op);
    entries_release(&it->entries);
    call_unref(it->call);
    free(it);
}

static void recent_fail(struct recent *it, int err, const char *detail)
{
    call_fail(it->call, err, detail);
    recent_free(it);
}

// --- The answer

static void add_execution(struct json_writer *json, const char *name, const struct execution *execution,
                          const struct summary *summary)
{
    CLEANUP(buf_release) struct buf reason = {0};
    int64_t start_ms = execution->started_ms ? execution->started_ms : execution->created_ms;
    json_open_object(json, name);
    json_add_text(json, "execution_id", execution->execution_id);
    json_add_text(json, "status", status_log_api(execution->status));
    json_add_time(json, "start_time", start_ms);
    if (execution->completed_ms > 0) {
        char duration[40];
        snprintf(duration, sizeof(duration), "%.3fs", (double)MAX(execution->completed_ms - start_ms, 0) / 1000);
        json_add_time(json, "end_time", execution->completed_ms);
        json_add_text(json, "duration", duration);
    }
    if (runs_say_failure(execution, summary, &reason))
        json_add_str(json, "error_message", buf_str(&reason));
    json_close(json);
}

static void add_summary(struct json_writer *json, const struct summary *summary)
{
    json_open_object(json, "summary");
    json_add_u64(json, "total_logs", summary_records(summary));
    json_add_u64(json, "error_count", summary->levels[LEVEL_ERROR] + summary->levels[LEVEL_CRITICAL]);
    json_add_u64(json, "warning_count", summary->levels[LEVEL_WARNING]);
    json_add_u64(json, "milestone_count", summary->milestone_count);
    json_close(json);
}

static void write_answer(struct recent *it, struct json_writer *json, const struct summary *summary)
{
    json_open_object(json, NULL);
    json_add_text(json, "workflow_id", it->workflow_id);
    add_execution(json, "latest_execution", &it->list.ret_executions[0], summary);
    json_open_array(json, "logs");
    json_add_raw(json, NULL, buf_str(&it->entries.json));
    json_close(json);
    add_summary(json, summary);
    if (it->all) {
        json_open_array(json, "other_executions");
        for (size_t i = 1; i < it->list.ret_count; i++)
            add_execution(json, NULL, &it->list.ret_executions[i], NULL);
        json_close(json);
        json_add_u64(json, "total_executions", MIN(it->list.ret_total, (uint64_t)COUNTED_MAX));
        if (it->list.ret_total > COUNTED_MAX)
            json_add_bool(json, "more_executions", true);
    }
    json_close(json);
}

static void counted(struct summarised *summarised, int err, const struct summary *summary)
{
    struct recent *it = CONTAINER_OF(summarised, struct recent, summarised);
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    if (err) {
        recent_fail(it, err, NULL);
        return;
    }
    write_answer(it, &json, summary);
    call_answer(it->call, 200, &json);
    recent_free(it);
}

// --- The way there: the executions, the end of the latest log, what is counted of it

static void append_entry(struct buf *out, const struct record *record, struct str execution_id,
                         uint64_t sequence_number)
{
    log_entry_append(out, record, execution_id, sequence_number, false);
}

static void page_done(struct entries *entries, int err)
{
    struct recent *it = CONTAINER_OF(entries, struct recent, entries);
    if (err) {
        recent_fail(it, err, NULL);
        return;
    }
    it->summarised = (struct summarised){.call = it->call, .done = counted};
    summarised_ask(&it->summarised, it->call->api, it->call->principal.account, it->list.ret_executions[0].row);
}

static void listed(struct store_op *op)
{
    struct recent *it = CONTAINER_OF(op, struct recent, list.op);
    struct call *call = it->call;
    if (op->err || it->list.ret_count == 0) {
        recent_fail(it, op->err ? op->err : ERR_NOT_FOUND, op->err ? NULL : "no execution of this workflow");
    } else {
        const struct execution *latest = &it->list.ret_executions[0];
        uint64_t next = latest->next_sequence, first = latest->first_sequence;
        it->entries = (struct entries){
            .call = call,
            .execution = latest,
            .by_cursor = true,
            .cursor = MAX(next - MIN(next, (uint64_t)it->limit), first),
            .limit = it->limit,
            .append = append_entry,
            .done = page_done,
        };
        entries_read(&it->entries);
    }
    call_unref(call);
}

void log_api_recent(struct call *call)
{
    struct recent *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->all = call_param(call, "include_all_executions").number != 0;
    it->limit = (unsigned)call_param(call, "limit").number;
    snprintf(it->workflow_id, sizeof(it->workflow_id), "%.*s", STR_ARGS(call_param(call, "workflow_id").text));
    it->list = (struct store_list){
        .account = call->principal.account,
        .limit = it->all ? 1 + OTHERS_MAX : 1,
        .max_bytes = LIST_BYTES_MAX,
        .count_max = it->all ? COUNTED_MAX : 0,
        .workflow_ids = {.items = {str_of(it->workflow_id)}, .count = 1},
    };
    if (call->principal.role == ROLE_USER) {
        snprintf(it->owner, sizeof(it->owner), "%s", call->principal.user);
        it->list.owner = str_of(it->owner);
    }
    call_ref(call);
    call_submit(call, STORE_LIST, &it->list.op, listed);
}
