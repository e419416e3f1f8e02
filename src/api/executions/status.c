// The status of an execution: a route of its own, and the answer of other routes.
#include "api/executions/executions.h"
#include "api/jobs/waits.h"
#include "util/clock.h"

static void add_fields(struct json_writer *json, const struct call *call, const struct execution *execution)
{
    struct execution_live live;
    hub_live(call->api->options.hub, execution->row, &live);
    const struct execution_terms terms = api_terms(call->api);
    execution_add_fields(json, execution, &live, &terms, clock_real_ms());
}

void call_answer_execution(struct call *call, int status, const struct execution *execution)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    add_fields(&json, call, execution);
    json_close(&json);
    call_answer(call, status, &json);
}

static void observe(const struct call *call)
{
    const struct api_options *options = &call->api->options;
    metrics_observe_ns(options->metrics, options->shard, METRIC_status_seconds, clock_mono_ns() - call->began_ns);
}

// As the job wrote it: no number of it is read and written again.
void executions_result(struct call *call)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    if (!call->execution.result_json) {
        call_fail(call, ERR_NOT_FOUND, call->execution.sealed ? "it has left no result" : "it has no result yet");
        return;
    }
    json_add_raw(&json, NULL, str_of(call->execution.result_json));
    call_answer(call, 200, &json);
}

// --- Of a job that waits, with why

struct waiting {
    struct store_job_waits waits;
    struct store_rosters others; // of a store that other servers have, too
    struct call *call;
};

static void waiting_answer_call(struct waiting *it)
{
    struct call *call = it->call;
    if (call->request) {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        add_fields(&json, call, &call->execution);
        if (it->waits.op.err == 0 && it->others.op.err == 0)
            job_add_waits(&json, call->api, call->principal.account, &it->waits, &it->others);
        json_close(&json);
        call_answer(call, 200, &json);
        observe(call);
    }
    store_op_release(&it->waits.op);
    store_op_release(&it->others.op);
    free(it);
    call_unref(call);
}

static void others_done(struct store_op *op)
{
    waiting_answer_call(CONTAINER_OF(op, struct waiting, others.op));
}

static void waits_done(struct store_op *op)
{
    struct waiting *it = CONTAINER_OF(op, struct waiting, waits.op);
    const struct api_options *options = &it->call->api->options;
    it->others = (struct store_rosters){
        .op = {.kind = STORE_ROSTERS, .reply_to = options->loop, .done = others_done},
        .but = hub_node(options->hub),
    };
    if (op->err == 0 && it->waits.ret_job.state == JOB_READY && !store_alone(options->store))
        store_submit(options->store, &it->others.op);
    else
        waiting_answer_call(it);
}

static void answer_waiting(struct call *call)
{
    struct waiting *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->waits = (struct store_job_waits){
        .op = {.kind = STORE_JOB_WAITS,
               .reply_to = call->api->options.loop,
               .done = waits_done,
               .account = call->principal.account},
        .row = call->execution.row,
    };
    call_ref(call);
    store_submit(call->api->options.store, &it->waits.op);
}

void executions_status(struct call *call)
{
    if (call->execution.job.is_job && call->execution.status == STATUS_QUEUED) {
        answer_waiting(call);
        return;
    }
    call_answer_execution(call, 200, &call->execution);
    observe(call);
}
