#include "api/resource.h"

#include "api/call.h"
#include "api/route.h"
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
    snprintf(call->batch_id_copy, sizeof(call->batch_id_copy), "%.*s", STR_ARGS(call_capture(call, "id")));
    call->batch_get = (struct store_batch_get){
        .account = call->principal.account,
        .batch_id = str_of(call->batch_id_copy),
    };
    call_submit(call, STORE_BATCH_GET, &call->batch_get.op, found_batch);
}

static int judge_batch(const struct call *call)
{
    return batch_judge(&call->principal, &call->batch);
}

// --- All kinds

static const struct {
    const char *name, *missing;
    void (*load)(struct call *call);
    int (*judge)(const struct call *call);
    void (*tell)(const struct call *call, struct json_writer *json); // NULL: nothing
} resources[RESOURCE_COUNT] = {
    [RESOURCE_EXECUTION] = {"execution", "no such execution", load_execution, judge_execution, tell_execution},
    [RESOURCE_BATCH] = {"batch", "no such batch", load_batch, judge_batch, NULL},
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
