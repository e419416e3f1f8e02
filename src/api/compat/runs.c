// Workflow runs: their status, list and cancellation.
#include "api/compat/compat.h"
#include "api/cursor.h"
#include "api/executions/executions.h"
#include "api/workflows/summarised.h"
#include "util/clock.h"

#define LIST_BYTES_MAX ((size_t)1024 * 1024)

// --- The status payload

uint64_t runs_completed(const struct summary *summary, const struct graph_nodes *graph)
{
    uint64_t done = 0;
    for (size_t i = 0; i < summary->node_count; i++) {
        enum node_state state = summary->nodes[i].progress.state;
        bool counts = !graph || graph_nodes_has(graph, buf_str(&summary->nodes[i].id));
        done += counts && (state == NODE_COMPLETED || state == NODE_SKIPPED);
    }
    return done;
}

static void add_progress(struct json_writer *json, const struct summary *summary, const struct graph_nodes *graph)
{
    if (!summary || (summary->node_count == 0 && !graph))
        return;
    json_open_object(json, "progress");
    json_add_u64(json, "completedActions", runs_completed(summary, graph));
    if (graph)
        json_add_u64(json, "totalActions", graph_nodes_count(graph));
    json_close(json);
}

// The node that failed last, and has not succeeded since; NULL: none.
static const struct summary_node *failed_node(const struct summary *summary)
{
    const struct summary_node *found = NULL;
    for (size_t i = 0; summary && i < summary->node_count; i++) {
        const struct summary_node *node = &summary->nodes[i];
        if (node->progress.state == NODE_FAILED && (!found || node->last_sequence > found->last_sequence))
            found = node;
    }
    return found;
}

bool runs_say_failure(const struct execution *execution, const struct summary *summary, struct buf *reason)
{
    const struct summary_node *node = failed_node(summary);
    bool bad = execution->status != STATUS_COMPLETED && (status_terminal(execution->status) || execution->sealed);
    if (!bad && execution->status != STATUS_LOST)
        return false;
    if (execution->job.reason)
        buf_append_text(reason, execution->job.reason);
    else if (execution->cancel_reason)
        buf_append_text(reason, execution->cancel_reason);
    else if (node && node->last_line.len > 0)
        buf_append_str(reason, buf_str(&node->last_line));
    else if (execution->has_exit_code)
        buf_printf(reason, "exit code %d", execution->exit_code);
    else
        buf_append_text(reason, status_word(execution->status));
    return true;
}

static void add_failure(struct json_writer *json, const struct execution *execution, const struct summary *summary)
{
    const struct summary_node *node = failed_node(summary);
    CLEANUP(buf_release) struct buf reason = {0};
    if (!runs_say_failure(execution, summary, &reason))
        return;
    json_open_object(json, "failure");
    json_add_str(json, "reason", buf_str(&reason));
    json_open_object(json, "details");
    if (execution->has_exit_code)
        json_add_i64(json, "exitCode", execution->exit_code);
    if (node)
        json_add_str(json, "nodeRef", buf_str(&node->id));
    json_close(json);
    json_close(json);
}

void runs_add_status(struct json_writer *json, const struct execution *execution, const struct summary *summary,
                     const struct graph_nodes *graph, int64_t now_ms)
{
    bool over = status_terminal(execution->status) || execution->sealed;
    json_open_object(json, NULL);
    json_add_text(json, "runId", execution->execution_id);
    json_add_text(json, "workflowId", execution->workflow_id);
    json_add_text(json, "status", status_runs_api(execution->status));
    json_add_time(json, "startedAt", execution->started_ms ? execution->started_ms : execution->created_ms);
    json_add_time(json, "updatedAt", execution->sealed ? execution->sealed_ms : now_ms);
    if (over && execution->completed_ms)
        json_add_time(json, "completedAt", execution->completed_ms);
    add_progress(json, summary, graph);
    add_failure(json, execution, summary);
    json_close(json);
}

// --- One run

struct status {
    struct run_graph graph;
    struct summarised summarised;
    struct call *call;
};

static void status_answer(struct status *it, int err, const struct summary *summary)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    if (err) {
        call_fail(it->call, err, NULL);
    } else {
        runs_add_status(&json, &it->call->execution, summary, it->graph.ret_nodes, clock_real_ms());
        call_answer(it->call, 200, &json);
    }
    graph_nodes_free(&it->graph.ret_nodes);
    call_unref(it->call);
    free(it);
}

static void status_counted(struct summarised *summarised, int err, const struct summary *summary)
{
    status_answer(CONTAINER_OF(summarised, struct status, summarised), err, summary);
}

static void status_graph_known(struct run_graph *graph, int err)
{
    struct status *it = CONTAINER_OF(graph, struct status, graph);
    struct call *call = it->call;
    if (err)
        status_answer(it, err, NULL);
    else
        summarised_ask(&it->summarised, call->api, call->principal.account, call->execution.row);
}

void runs_status(struct call *call)
{
    struct status *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->graph.done = status_graph_known;
    it->summarised = (struct summarised){.call = call, .done = status_counted};
    call_ref(call);
    run_graph_ask(&it->graph, call->api, call->principal.account, call->execution.row);
}

static void answer_cancelled(struct call *call, int status, const struct execution *execution)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    runs_add_status(&json, execution, NULL, NULL, clock_real_ms());
    call_answer(call, status, &json);
}

void runs_cancel(struct call *call)
{
    executions_cancel(call, answer_cancelled);
}

// --- The list

struct list {
    struct store_list list;
    struct call *call;
    char workflow_id[256];
};

static void listed(struct store_op *op)
{
    struct list *it = CONTAINER_OF(op, struct list, list.op);
    struct call *call = it->call;
    if (op->err) {
        call_fail(call, op->err, NULL);
    } else {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_open_array(&json, "runs");
        for (size_t i = 0; i < it->list.ret_count; i++)
            runs_add_status(&json, &it->list.ret_executions[i], NULL, NULL, clock_real_ms());
        json_close(&json);
        add_next_place(&json, call, &it->list.ret_next);
        json_close(&json);
        call_answer(call, 200, &json);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

// The statuses of ours that are shown by this word.
static unsigned statuses_of(struct str word)
{
    unsigned bits = 0;
    for (enum execution_status status = 0; status < STATUS_COUNT; status++)
        bits |= (unsigned)str_eq(word, str_of(status_runs_api(status))) << status;
    return bits;
}

void runs_list(struct call *call)
{
    struct list *it = xcalloc(1, sizeof(*it));
    struct str workflow = call_param(call, "workflowId").text, status = call_param(call, "status").text;
    it->call = call;
    it->list = (struct store_list){
        .account = call->principal.account,
        .limit = (unsigned)call_param(call, "limit").number,
        .max_bytes = LIST_BYTES_MAX,
        .statuses = status.len ? statuses_of(status) : 0,
    };
    if (!cursor_take_place(call, call_param(call, "cursor").text, &it->list.before)) {
        free(it);
        return;
    }
    if (call->principal.role == ROLE_USER)
        it->list.owner = str_of(call->principal.user);
    if (workflow.len > 0) {
        snprintf(it->workflow_id, sizeof(it->workflow_id), "%.*s", STR_ARGS(workflow));
        it->list.workflow_ids.items[it->list.workflow_ids.count++] = str_of(it->workflow_id);
    }
    call_submit(call, STORE_LIST, &it->list.op, listed);
}
