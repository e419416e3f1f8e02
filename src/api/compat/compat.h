// The routes of other designs, which show what there is in other shapes. See docs/log-api.md. Everything on the loop's
// thread.
#pragma once

#include "api/call.h"

// --- The workflow log API. Handlers.
void log_api_logs(struct call *call);
void log_api_stream(struct call *call);

// --- Workflow runs. Handlers.
void runs_list(struct call *call);
void runs_status(struct call *call);
void runs_trace(struct call *call);
void runs_logs(struct call *call);
void runs_stream(struct call *call);
void runs_cancel(struct call *call);

// For a run's status and its stream: the status payload. `summary` may be NULL.
struct summary;
uint64_t runs_completed(const struct summary *summary); // how many nodes are done
void runs_add_status(struct json_writer *json, const struct execution *execution, const struct summary *summary,
                     int64_t now_ms);
