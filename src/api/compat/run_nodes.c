// Workflow runs: the nodes of a run, those of its graph first; and how it is to run.
#include "api/compat/compat.h"
#include "api/workflows/summary.h"

// --- The graph

static void parse_graph(struct store_op *op)
{
    struct run_graph *it = CONTAINER_OF(op, struct run_graph, get.op);
    if (op->err == 0)
        it->ret_nodes = graph_nodes_new(str_of(it->get.ret_graph));
}

static void graph_found(struct store_op *op)
{
    struct run_graph *it = CONTAINER_OF(op, struct run_graph, get.op);
    int err = op->err;
    store_op_release(op);
    it->done(it, err);
}

void run_graph_ask(struct run_graph *it, struct api *api, int64_t account, int64_t row)
{
    it->get = (struct store_run_get){
        .op = {.kind = STORE_RUN_GET,
               .reply_to = api->options.loop,
               .done = graph_found,
               .process = parse_graph,
               .account = account},
        .row = row,
    };
    store_submit(api->options.store, &it->get.op);
}

// --- Nodes

static enum node_state shown(const struct call *call, const struct summary_node *node)
{
    enum node_state state = node ? node->progress.state : NODE_PENDING;
    return node ? node_state_shown(state, call->execution.status, call->execution.sealed) : state;
}

static void add_progress(struct json_writer *json, const struct summary_node *node)
{
    if (node->has_step_number)
        json_add_u64(json, "stepNumber", node->step_number);
    if (node->has_total_steps)
        json_add_u64(json, "totalSteps", node->total_steps);
    if (node->has_percent)
        node_percent_add(json, "progressPercentage", node);
}

static void add_times(struct json_writer *json, const struct call *call, const struct summary_node *node)
{
    const struct node_times *times = &node->progress.times;
    int64_t ended_ms = times->ended_ms;
    if (ended_ms == 0 && node_state_over(shown(call, node)))
        ended_ms = call->execution.completed_ms; // it has ended with the run
    if (times->started_ms > 0)
        json_add_time(json, "startedAt", times->started_ms);
    if (ended_ms > 0)
        json_add_time(json, "completedAt", ended_ms);
    if (times->started_ms > 0 && ended_ms > 0)
        json_add_i64(json, "durationMs", MAX(ended_ms - times->started_ms, 0));
    if (times->started_ms > 0 && times->queued_ms > 0)
        json_add_i64(json, "queueMs", MAX(times->started_ms - times->queued_ms, 0));
}

// `node` is NULL before the first record of it.
static void add_node(struct json_writer *json, const struct call *call, const struct graph_node *planned,
                     const struct summary_node *node)
{
    static const uint64_t no_levels[LEVEL_COUNT];
    struct str id = node ? buf_str(&node->id) : str_of(planned->id);
    struct str name = node && node->name.len > 0 ? buf_str(&node->name) : str_of(planned->name);
    struct str type = node && node->type.len > 0 ? buf_str(&node->type) : str_of(planned->type);
    json_open_object(json, NULL);
    json_add_str(json, "nodeId", id);
    json_add_str(json, "nodeRef", id);
    json_add_str(json, "name", name.len > 0 ? name : id);
    if (type.len > 0)
        json_add_str(json, "type", type);
    json_add_text(json, "status", node_state_run_word(shown(call, node)));
    json_add_u64(json, "attempts", node ? node->progress.attempts : 0);
    if (node) {
        add_progress(json, node);
        add_times(json, call, node);
    }
    json_add_u64(json, "logs", node ? node->records : 0);
    levels_add(json, "levels", node ? node->levels : no_levels);
    if (node && node->last_line.len > 0)
        json_add_str(json, "lastLine", buf_str(&node->last_line));
    json_close(json);
}

static void write_nodes(struct json_writer *json, const struct call *call, const struct summary *summary, void *arg)
{
    const struct run_graph *graph = arg;
    json_add_text(json, "runId", call->execution.execution_id);
    json_add_text(json, "workflowId", call->execution.workflow_id);
    json_open_array(json, "nodes");
    for (size_t i = 0; i < graph_nodes_count(graph->ret_nodes); i++) {
        const struct graph_node planned = graph_nodes_at(graph->ret_nodes, i);
        add_node(json, call, &planned, summary_node_find(summary, str_of(planned.id)));
    }
    for (size_t i = 0; i < summary->node_count; i++)
        if (!graph_nodes_has(graph->ret_nodes, buf_str(&summary->nodes[i].id)))
            add_node(json, call, &(struct graph_node){0}, &summary->nodes[i]);
    json_close(json);
    json_add_u64(json, "otherNodes", summary->other_nodes);
}

struct asking_nodes {
    struct run_graph graph;
    struct call *call;
};

static void asking_free(void *arg)
{
    struct asking_nodes *it = CONTAINER_OF((struct run_graph *)arg, struct asking_nodes, graph);
    graph_nodes_free(&it->graph.ret_nodes);
    free(it);
}

static void graph_known(struct run_graph *graph, int err)
{
    struct asking_nodes *it = CONTAINER_OF(graph, struct asking_nodes, graph);
    struct call *call = it->call;
    if (err == 0) {
        call_answer_summary(call, write_nodes, graph, asking_free);
    } else {
        call_fail(call, err, NULL);
        asking_free(graph);
    }
    call_unref(call);
}

void runs_nodes(struct call *call)
{
    struct asking_nodes *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->graph.done = graph_known;
    call_ref(call);
    run_graph_ask(&it->graph, call->api, call->principal.account, call->execution.row);
}

// --- How it is to run

struct asking_config {
    struct store_run_get get;
    struct call *call;
};

static void config_found(struct store_op *op)
{
    struct asking_config *it = CONTAINER_OF(op, struct asking_config, get.op);
    struct call *call = it->call;
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    if (op->err) {
        call_fail(call, op->err, NULL);
    } else {
        json_open_object(&json, NULL);
        json_add_text(&json, "runId", call->execution.execution_id);
        json_add_text(&json, "workflowId", call->execution.workflow_id);
        json_add_raw(&json, "inputs", str_of(it->get.ret_inputs));
        json_add_raw(&json, "config", str_of(it->get.ret_config));
        json_close(&json);
        call_answer(call, 200, &json);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

void runs_config(struct call *call)
{
    struct asking_config *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->get.row = call->execution.row;
    call_submit(call, STORE_RUN_GET, &it->get.op, config_found);
}
