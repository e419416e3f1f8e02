#include "api/resource.h"

#include "api/call.h"
#include "api/route.h"
#include "model/waiting.h"
#include "util/clock.h"

// --- Executions

static void found_execution(struct execution_lookup *lookup, int err)
{
    struct call *call = CONTAINER_OF(lookup, struct call, lookup);

    if (err == 0 && call->request)
        call->execution = lookup->kept->execution;
    if (call->request)
        call->loaded(call, err);
    call_unref(call);
}

static void load_execution(struct call *call)
{
    call->lookup.done = found_execution;
    call_ref(call);
    execution_lookup(&call->lookup, call->api, call->principal.account, call_capture(call, "id"));
}

static int judge_execution(const struct call *call)
{
    return execution_judge(&call->principal, &call->execution);
}

static void found_waiting(struct store_op *op)
{
    struct call *call = CONTAINER_OF(op, struct call, waiting.op);
    if (call->request)
        call->loaded_all(call, op->err);
    call_unref(call);
}

static void look_for_waiting(struct call *call, int err)
{
    if (err) {
        call->loaded_all(call, err);
        return;
    }
    call->waiting.row = call->execution.row;
    call_submit(call, STORE_WAITING, &call->waiting.op, found_waiting);
}

static void load_waiting(struct call *call)
{
    call->loaded_all = call->loaded;
    call->loaded = look_for_waiting;
    load_execution(call);
}

// Those who are asked see it; so do those who were asked last, who may repeat their answer.
static int judge_waiting(const struct call *call)
{
    const struct execution *execution = &call->execution;
    const struct str waiting = str_of(call->waiting.ret_waiting), owner = str_of(execution->owner);
    bool asked = call->principal.role == ROLE_USER && waiting.len > 0 && !execution->purged &&
                 waiting_may_answer(waiting, owner, call_asking_user(call));
    return asked ? 0 : judge_execution(call);
}

static void tell_execution(const struct call *call, struct json_writer *json)
{
    const struct execution_terms terms = api_terms(call->api);
    if (call->execution.purged)
        execution_add_status(json, "execution", &call->execution, NULL, &terms, clock_real_ms());
}

// --- Batches

static void found_batch(struct store_op *op)
{
    struct call *call = CONTAINER_OF(op, struct call, batch_get.op);
    call->batch = call->batch_get.ret_batch; // call_unref frees it
    call->batch_get.ret_batch = (struct batch){0};
    int err = op->err;
    store_op_release(op);
    if (call->request)
        call->loaded(call, err);
    call_unref(call);
}

static void load_batch(struct call *call)
{
    snprintf(call->id_copy, sizeof(call->id_copy), "%.*s", STR_ARGS(call_capture(call, "id")));
    call->batch_get = (struct store_batch_get){
        .account = call->principal.account,
        .batch_id = str_of(call->id_copy),
    };
    call_submit(call, STORE_BATCH_GET, &call->batch_get.op, found_batch);
}

static int judge_batch(const struct call *call)
{
    return batch_judge(&call->principal, &call->batch);
}

// --- Workflows

static void found_workflow(struct store_op *op)
{
    struct call *call = CONTAINER_OF(op, struct call, workflow_get.op);
    call->workflow = call->workflow_get.ret_workflow; // call_unref frees it
    call->workflow_get.ret_workflow = (struct workflow){0};
    int err = op->err;
    store_op_release(op);
    if (call->request)
        call->loaded(call, err);
    call_unref(call);
}

static void load_workflow(struct call *call)
{
    struct str name = call_capture(call, "workflow");
    if (!id_execution_valid(name)) {
        call->loaded(call, ERR_NOT_FOUND);
        return;
    }
    snprintf(call->id_copy, sizeof(call->id_copy), "%.*s", STR_ARGS(name));
    call->workflow_get = (struct store_workflow_get){
        .account = call->principal.account,
        .workflow_id = str_of(call->id_copy),
    };
    call_submit(call, STORE_WORKFLOW_GET, &call->workflow_get.op, found_workflow);
}

static int judge_workflow(const struct call *call)
{
    const struct str user = call_asking_user(call);
    bool theirs = user.len > 0 && call->workflow.owner && str_eq(str_of(call->workflow.owner), user);
    return theirs || call->principal.role != ROLE_USER ? 0 : ERR_NOT_FOUND;
}

// --- All kinds

static const struct {
    const char *name, *missing;
    void (*load)(struct call *call);
    int (*judge)(const struct call *call);
    void (*tell)(const struct call *call, struct json_writer *json); // NULL: nothing
} resources[RESOURCE_COUNT] = {
    [RESOURCE_EXECUTION] = {"execution", "no such execution", load_execution, judge_execution, tell_execution},
    [RESOURCE_WAITING] = {"execution", "no such execution", load_waiting, judge_waiting, tell_execution},
    [RESOURCE_BATCH] = {"batch", "no such batch", load_batch, judge_batch, NULL},
    [RESOURCE_WORKFLOW] = {"workflow", "no such workflow", load_workflow, judge_workflow, NULL},
};

const char *resource_name(enum resource resource)
{
    return resources[resource].name;
}

void resource_load(struct call *call, void (*loaded)(struct call *call, int err))
{
    call->loaded = loaded;
    resources[call->route->resource].load(call);
}

int resource_judge(const struct call *call)
{
    return resources[call->route->resource].judge(call);
}

void resource_tell(const struct call *call, struct json_writer *json)
{
    if (resources[call->route->resource].tell)
        resources[call->route->resource].tell(call, json);
}

const char *resource_error_text(const struct call *call, int err)
{
    const char *missing = resources[call->route->resource].missing;
    return err == ERR_NOT_FOUND && missing ? missing : error_text(err);
}
