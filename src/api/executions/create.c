// Makes an execution.
#include "api/body.h"
#include "api/executions/executions.h"
#include "api/jobs/inputs.h"
#include "util/clock.h"

#include <xxhash.h>

// Checks what the table cannot say about a single field. Returns NULL if everything is right.
static const char *started_problem(const struct call *call)
{
    struct field_value started = call_member(call, "started_at");
    if (!started.given)
        return NULL;
    if (started.number <= 0)
        return "must be a time in RFC 3339";
    if (started.number > clock_real_ms() + CLOCKS_APART_MS)
        return "lies in the future";
    // Only somebody who has run it already can know when it began.
    return json_is_false(json_object_get(call->body, "queue")) ? NULL : "is only for runs with queue false";
}

// A source names logs by the executions' identifiers: who may make one of another's name would read another's log.
static const char *source_problem(const struct call *call)
{
    if (!call_member(call, "source").given)
        return NULL;
    if (!json_is_false(json_object_get(call->body, "queue")))
        return "is only for runs with queue false";
    if (call->principal.role == ROLE_USER || !role_may(call->principal.role, ACTION_WRITE))
        return "may be named by services alone";
    return fetches_serve(call->api->options.fetches, call->principal.account)
               ? NULL
               : "is not set up for this account (cloudwatch_log_group)";
}

static char *text_or_null(const json_t *body, const char *name)
{
    const char *text = json_string_value(json_object_get(body, name));
    return text ? xstrdup(text) : NULL;
}

struct create {
    struct store_create create;
    struct job_order order;
    struct order_inputs inputs;
    struct call *call;
    char key[CALL_KEY_MAX];
};

static void create_free(struct create *it)
{
    job_order_release(&it->order);
    order_inputs_release(&it->inputs);
    free(it);
}

static void create_done(struct store_op *op)
{
    struct create *it = CONTAINER_OF(op, struct create, create.op);
    struct call *call = it->call;

    if (op->err == 0 && call->request) {
        http_add_header(call->request, "Location",
                        arena_printf(http_arena(call->request), "%s/api/v1/executions/%s", call->api->options.base_path,
                                     it->create.execution.execution_id));
        call_answer_execution(call, it->create.ret_existed ? 200 : 201, &it->create.execution);
    } else if (op->err == ERR_RATE) {
        call_fail(call, ERR_RATE,
                  it->create.job ? "the account has too many queued jobs" : "the account has too many open executions");
    } else if (op->err && it->create.ret_reason) {
        call_fail_fields(call, &(struct http_field_error){it->create.ret_field, it->create.ret_reason}, 1);
    } else if (op->err) {
        call_fail(call, op->err,
                  op->err == ERR_CONFLICT    ? "this execution_id exists already"
                  : op->err == ERR_NOT_FOUND ? "no such workflow"
                                             : NULL);
    }
    store_op_release(op);
    execution_release(&it->create.execution);
    create_free(it);
    call_unref(call);
}

// The request is kept as `spec`. Values of the environment may be secrets; they are kept only for the worker and never
// shown.
void execution_of_body(struct execution *ret, const struct call *call, const struct json_t *body)
{
    const json_t *command = json_object_get(body, "command"), *args = json_object_get(body, "args"),
                 *metadata = json_object_get(body, "metadata");
    *ret = (struct execution){
        .account = call->principal.account,
        .execution_id = text_or_null(body, "execution_id"),
        .status = STATUS_QUEUED,
        .owner = call->principal.user[0] ? xstrdup(call->principal.user) : NULL,
        .script_filename = text_or_null(body, "script_filename"),
        .runtime = text_or_null(body, "runtime"),
        .workflow_id = text_or_null(body, "workflow_id"),
        .batch_id = text_or_null(body, "batch_id"),
        .spec_json = json_text(body),
        .command_json = json_is_array(command) ? json_text(command) : NULL,
        .args_json = json_is_array(args) ? json_text(args) : NULL,
        .name = text_or_null(body, "name"),
        .image = json_is_true(json_object_get(body, "queue")) ? text_or_null(body, "image") : NULL,
        .metadata_json = json_is_object(metadata) ? json_text(metadata) : NULL,
    };
    ret->pinned = json_is_true(json_object_get(body, "pin"));
    const char *retention = json_string_value(json_object_get(body, "retention"));
    if (retention)
        retention_own_parse(str_of(retention), &ret->retention); // it was checked
}

// With `queue` a worker is to run it. False after having answered 422.
static bool create_take_job(struct create *it, struct call *call)
{
    struct job_order_problem problem;
    bool queue = call_member(call, "queue").number;
    if (!order_inputs_take(&it->inputs, call->body, &problem) ||
        (queue && !job_order_take(&it->order, call->body, &call->principal, call->api->limits, &problem))) {
        call_fail_fields(call, &(struct http_field_error){problem.field, problem.reason}, 1);
        return false;
    }
    it->create.inputs = it->inputs.inputs;
    it->create.input_count = it->inputs.count;
    if (!queue)
        return true;
    it->create.job = &it->order.job;
    it->create.open_max = 0; // queued_max is its limit
    return true;
}

// Nobody writes its log here, so nobody ends it either: it is as one that a late source makes.
static void keep_elsewhere(struct execution *execution, const struct api_limits *limits)
{
    const struct retention_own *own = &execution->retention;
    execution->status = STATUS_RUNNING;
    execution->late = execution->to_fetch = true;
    execution->quiet_ms = limits->source_quiet_ms;
    if (execution->started_ms == 0)
        execution->started_ms = clock_real_ms();
    if (!own->has_age && !own->has_records && !own->has_bytes)
        execution->retention = limits->source_retention;
}

void executions_create(struct call *call)
{
    struct str key, raw = http_body(call->request);

    if (!call_may_begin(call) || !call_header_key(call, &key))
        return;
    const char *problem = started_problem(call), *name = "started_at";
    if (!problem) {
        problem = source_problem(call);
        name = "source";
    }
    if (problem) {
        call_fail_fields(call, &(struct http_field_error){name, problem}, 1);
        return;
    }
    struct create *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->create = (struct store_create){
        .idempotency_key = call_idempotency_key(call, key, it->key),
        .request_hash = XXH3_64bits(raw.data, raw.len),
        .open_max = call->api->limits->open_executions_max,
        .asking_user = call_asking_user(call),
    };
    if (!create_take_job(it, call)) {
        create_free(it);
        return;
    }
    execution_of_body(&it->create.execution, call, call->body);
    it->create.execution.started_ms = call_member(call, "started_at").number;
    if (call_member(call, "source").given)
        keep_elsewhere(&it->create.execution, call->api->limits);
    call_submit(call, STORE_CREATE, &it->create.op, create_done);
}
