// The status of an execution: a route of its own, and the answer of other routes.
#include "api/executions/executions.h"
#include "util/clock.h"

void call_answer_execution(struct call *call, int status, const struct execution *execution)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    struct execution_live live;

    hub_live(call->api->options.hub, execution->row, &live);
    execution_add_status(&json, NULL, execution, &live, clock_real_ms());
    call_answer(call, status, &json);
}

void executions_status(struct call *call)
{
    struct api *api = call->api;
    call_answer_execution(call, 200, &call->execution);
    metrics_observe_ns(api->options.metrics, api->options.shard, METRIC_status_seconds,
                       clock_mono_ns() - call->began_ns);
}
