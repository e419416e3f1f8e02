#include "api/resource.h"

#include "api/call.h"
#include "api/route.h"

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

// --- All kinds

static const struct {
    const char *name, *missing;
    void (*load)(struct call *call);
    int (*judge)(const struct call *call);
} resources[RESOURCE_COUNT] = {
    [RESOURCE_EXECUTION] = {"execution", "no such execution", load_execution, judge_execution},
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

const char *resource_error_text(const struct call *call, int err)
{
    const char *missing = resources[call->route->resource].missing;
    return err == ERR_NOT_FOUND && missing ? missing : error_text(err);
}
