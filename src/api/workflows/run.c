// Runs of workflows: made, and what they were given.
#include "api/body.h"
#include "api/executions/executions.h"
#include "api/jobs/inputs.h"
#include "api/workflows/workflows.h"
#include "model/config_limits.h"
#include "util/clock.h"

#include <xxhash.h>

#define RUN_TEXT_MAX ((size_t)1024 * 1024) // bytes of the inputs, and of the configuration
#define RUN_ENV_MAX  ((size_t)32 * 1024)   // larger inputs are not given as a variable, too
#define RUN_ENV      "RUNNEL_RUN_INPUTS"

struct making {
    struct store_create create;
    struct call *call;
    char key[CALL_KEY_MAX];
    struct run_new run;
    char *inputs, *config, *graph, *scoped;
    json_t *body; // as of POST /api/v1/executions
    struct job_order order;
    struct order_inputs files;
};

static void making_free(struct making *it)
{
    job_order_release(&it->order);
    order_inputs_release(&it->files);
    json_decref(it->body);
    free(it->inputs);
    free(it->config);
    free(it->graph);
    free(it->scoped);
    free(it);
}

// --- The answer

static void answer_run(struct call *call, int status, const struct execution *execution)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    struct execution_live live;
    const struct execution_terms terms = api_terms(call->api);
    hub_live(call->api->options.hub, execution->row, &live);
    json_open_object(&json, NULL);
    json_add_text(&json, "runId", execution->execution_id);
    json_add_text(&json, "workflowId", execution->workflow_id);
    execution_add_fields(&json, execution, &live, &terms, clock_real_ms());
    json_close(&json);
    call_answer(call, status, &json);
}

static bool refuse(struct call *call, const char *field, const char *reason)
{
    call_fail_fields(call, &(struct http_field_error){field, reason}, 1);
    return false;
}

static bool refuse_job(struct call *call, const char *field, const char *reason)
{
    return call->request && refuse(call, arena_printf(http_arena(call->request), "job.%s", field), reason);
}

static void made(struct store_op *op)
{
    struct making *it = CONTAINER_OF(op, struct making, create.op);
    struct call *call = it->call;
    const struct execution *execution = &it->create.execution;
    if (op->err == 0 && call->request) {
        http_add_header(call->request, "Location",
                        arena_printf(http_arena(call->request), "%s/api/v1/executions/%s", call->api->options.base_path,
                                     execution->execution_id));
        answer_run(call, it->create.ret_existed ? 200 : 201, execution);
    } else if (op->err && it->create.ret_reason) {
        refuse_job(call, it->create.ret_field, it->create.ret_reason);
    } else if (op->err) {
        call_fail(call, op->err,
                  op->err == ERR_CONFLICT                 ? "this execution_id exists already"
                  : op->err == ERR_NOT_FOUND              ? "no such workflow"
                  : op->err == ERR_RATE && it->create.job ? "the account has too many queued jobs"
                  : op->err == ERR_RATE                   ? "the account has too many open executions"
                                                          : NULL);
    }
    store_op_release(op);
    making_free(it);
    call_unref(call);
}

// --- What was asked for

static const json_t *given(const struct call *call, const char *name)
{
    const json_t *value = json_object_get(call->body, name);
    return json_is_null(value) ? NULL : value;
}

static bool take_object(struct call *call, const char *name, size_t max, char **ret)
{
    const json_t *value = given(call, name);
    *ret = value ? json_text(value) : NULL;
    return !*ret || strlen(*ret) <= max || refuse(call, name, "is larger than 1 MiB");
}

static bool take_run(struct making *it)
{
    struct call *call = it->call;
    const json_t *graph = given(call, "graph");
    if (!workflow_check_graph(call) || !take_object(call, "inputs", RUN_TEXT_MAX, &it->inputs) ||
        !take_object(call, "config", RUN_TEXT_MAX, &it->config))
        return false;
    it->graph = graph ? json_text(graph) : NULL;
    it->run = (struct run_new){str_of(it->inputs), str_of(it->config), str_of(it->graph)};
    it->create.run = &it->run;
    return true;
}

// The key may be a header or a member. A key is one of this workflow, and what was asked for is the rest of the body.
static bool take_key(struct making *it)
{
    struct call *call = it->call;
    struct str header, member = call_member(call, "idempotencyKey").text;
    if (!call_header_key(call, &header))
        return false;
    if (header.len > 0 && member.len > 0 && !str_eq(header, member))
        return refuse(call, "idempotencyKey", "differs from the header Idempotency-Key");
    json_t *asked = json_copy(call->body);
    json_object_del(asked, "idempotencyKey");
    CLEANUP(free_ptr) char *text = json_text(asked);
    json_decref(asked);
    it->create.request_hash = XXH3_64bits(text, strlen(text));
    struct str key = call_idempotency_key(call, header.len > 0 ? header : member, it->key);
    if (key.len > 0)
        it->scoped = xasprintf("run\n%s\n%.*s", call->workflow.workflow_id, STR_ARGS(key));
    it->create.idempotency_key = str_of(it->scoped);
    return true;
}

// --- What is run

// A member of the template, with what the run adds to it.
static void merge_member(json_t *body, const char *name, const json_t *more)
{
    json_t *whole =
        json_is_object(json_object_get(body, name)) ? json_copy(json_object_get(body, name)) : json_object();
    json_object_update(whole, (json_t *)(uintptr_t)more);
    json_object_set_new(body, name, whole);
}

// Inputs come on stdin unless the template says what stdin is, and as a variable if they are small.
static void give_inputs(json_t *body, const char *inputs)
{
    const char *text = inputs ? inputs : "{}";
    const json_t *own = json_object_get(body, "stdin");
    if (!own || json_is_null(own))
        json_object_set_new(body, "stdin", json_string(text));
    if (strlen(text) > RUN_ENV_MAX)
        return;
    json_t *variable = json_pack("{ss}", RUN_ENV, text);
    merge_member(body, "env", variable);
    json_decref(variable);
}

static bool take_body(struct making *it)
{
    struct call *call = it->call;
    const json_t *metadata = given(call, "metadata");
    const char *job = call->workflow.job_json, *execution_id = json_string_value(given(call, "execution_id"));
    it->body = job ? json_loads(job, JSON_ALLOW_NUL, NULL) : json_object();
    if (!it->body) {
        call_fail(call, ERR_CORRUPT, NULL);
        return false;
    }
    if (job)
        give_inputs(it->body, it->inputs);
    if (metadata)
        merge_member(it->body, "metadata", metadata);
    if (execution_id)
        json_object_set_new(it->body, "execution_id", json_string(execution_id));
    json_object_set_new(it->body, "workflow_id", json_string(call->workflow.workflow_id));
    const json_t *whole = json_object_get(it->body, "metadata");
    const char *reason = json_is_object(whole) ? metadata_check(whole) : NULL;
    return !reason || refuse(call, "metadata", reason);
}

static bool take_job(struct making *it)
{
    struct call *call = it->call;
    struct job_order_problem problem;
    if (!call->workflow.job_json)
        return true;
    if (!job_order_take(&it->order, it->body, &call->principal, call->api->limits, &problem) ||
        !order_inputs_take(&it->files, it->body, &problem))
        return refuse_job(call, problem.field, problem.reason);
    it->create.job = &it->order.job;
    it->create.inputs = it->files.inputs;
    it->create.input_count = it->files.count;
    it->create.open_max = 0; // queued_max is its limit
    return true;
}

void workflows_run(struct call *call)
{
    if (!call_may_begin(call))
        return;
    struct making *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->create.open_max = call->api->limits->open_executions_max;
    it->create.asking_user = call_asking_user(call);
    if (!take_run(it) || !take_key(it) || !take_body(it) || !take_job(it)) {
        making_free(it);
        return;
    }
    execution_of_body(&it->create.execution, call, it->body);
    call_submit(call, STORE_CREATE, &it->create.op, made);
}

// --- What it was given

struct looking {
    struct store_run_get get;
    struct call *call;
};

static void look(struct call *call, void (*done)(struct store_op *op))
{
    struct looking *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->get.row = call->execution.row;
    call_submit(call, STORE_RUN_GET, &it->get.op, done);
}

static void looked(struct store_op *op, void (*answer)(struct call *call, const struct store_run_get *get))
{
    struct looking *it = CONTAINER_OF(op, struct looking, get.op);
    struct call *call = it->call;
    if (op->err)
        call_fail(call, op->err, NULL);
    else
        answer(call, &it->get);
    store_op_release(op);
    free(it);
    call_unref(call);
}

static void answer_details(struct call *call, const struct store_run_get *get)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    const struct execution *execution = &call->execution;
    json_open_object(&json, NULL);
    json_add_text(&json, "execution_id", execution->execution_id);
    json_add_text(&json, "runId", execution->execution_id);
    json_add_text(&json, "workflow_id", execution->workflow_id);
    json_add_text(&json, "workflowId", execution->workflow_id);
    json_add_raw(&json, "inputs", str_of(get->ret_inputs));
    json_add_raw(&json, "config", str_of(get->ret_config));
    json_add_i64(&json, "attempt", execution->job.is_job ? execution->job.attempt : 1);
    json_add_text(&json, "retry_of", execution->job.retry_of);
    json_add_text(&json, "retried_as", execution->job.retried_as);
    json_close(&json);
    call_answer(call, 200, &json);
}

static void details_done(struct store_op *op)
{
    looked(op, answer_details);
}

void runs_get(struct call *call)
{
    look(call, details_done);
}

static void answer_graph(struct call *call, const struct store_run_get *get)
{
    if (!get->ret_graph) {
        call_fail(call, ERR_NOT_FOUND, "it has no graph");
        return;
    }
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_add_raw(&json, NULL, str_of(get->ret_graph));
    call_answer(call, 200, &json);
}

static void graph_done(struct store_op *op)
{
    looked(op, answer_graph);
}

void runs_graph(struct call *call)
{
    look(call, graph_done);
}
