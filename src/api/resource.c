#include "api/resource.h"

#include "api/call.h"
#include "api/route.h"

// --- Executions

static void got_execution(struct store_op *op)
{
    struct call *call = CONTAINER_OF(op, struct call, get.op);

    if (op->err == 0)
        call->kept = execution_cache_keep(call->api->executions, &call->get);
    if (call->request && op->err == 0)
        call->execution = call->kept->execution;
    if (call->request)
        call->loaded(call, op->err);
    call_unref(call);
}

static void load_execution(struct call *call)
{
    struct str id = call_capture(call, "id");
    if (!id_execution_valid(id)) {
        call->loaded(call, ERR_NOT_FOUND);
        return;
    }
    call->kept = execution_cache_find(call->api->executions, call->principal.account, id);
    if (call->kept) {
        call->execution = call->kept->execution;
        call->loaded(call, 0);
        return;
    }
    memcpy(call->execution_id_copy, id.data, id.len);
    call->get = (struct store_get){
        .op = {.kind = STORE_GET, .reply_to = call->api->options.loop, .done = got_execution},
        .account = call->principal.account,
        .execution_id = str_n(call->execution_id_copy, id.len),
    };
    call_ref(call);
    store_submit(call->api->options.store, &call->get.op);
}

// A purged one says so only to those whose it was.
static int judge_execution(const struct call *call)
{
    if (!principal_owns(&call->principal, &call->execution))
        return ERR_NOT_FOUND;
    return call->execution.purged ? ERR_EXPIRED : 0;
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
