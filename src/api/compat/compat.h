// The routes of other designs, which show what there is in other shapes. See docs/log-api.md. Everything on the loop's
// thread.
#pragma once

#include "api/call.h"
#include "model/graph.h"

// --- The workflow log API. Handlers.
void log_api_logs(struct call *call);
void log_api_stream(struct call *call);
void log_api_summary(struct call *call);
void log_api_recent(struct call *call);

// --- Workflow runs. Handlers.
void runs_list(struct call *call);
void runs_status(struct call *call);
void runs_trace(struct call *call);
void runs_logs(struct call *call);
void runs_loki(struct call *call);
void runs_stream(struct call *call);
void runs_cancel(struct call *call);
void runs_nodes(struct call *call);
void runs_config(struct call *call);

// The graph of a run, parsed on a thread of the store. `it` must live until `done`; the nodes are its owner's then,
// NULL without a graph.
struct run_graph {
    struct store_run_get get;
    struct graph_nodes *ret_nodes;
    void (*done)(struct run_graph *it, int err);
};
void run_graph_ask(struct run_graph *it, struct api *api, int64_t account, int64_t row);

// Where the lines of a run are found in Loki: the member `loki` of its trace.
struct store_mirror_places;
void runs_add_loki(struct json_writer *json, const struct execution *execution,
                   const struct store_mirror_places *places);

// For a run's status and its stream: the status payload. `summary` and `graph` may be NULL.
struct summary;
// How many nodes are done; with a graph, of those that it has.
uint64_t runs_completed(const struct summary *summary, const struct graph_nodes *graph);
void runs_add_status(struct json_writer *json, const struct execution *execution, const struct summary *summary,
                     const struct graph_nodes *graph, int64_t now_ms);
// Why an execution has not succeeded, for people. False if nothing has failed.
bool runs_say_failure(const struct execution *execution, const struct summary *summary, struct buf *reason);
