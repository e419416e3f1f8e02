// Pushes logs to Loki again: one, or those of the account that were made within a time.
#include "api/api_private.h"
#include "api/loki/loki.h"

struct replay {
    struct call *call;
    struct store_mirror_enter enter;
    uint64_t entered;
};

static void replay_free(struct replay *it)
{
    call_unref(it->call);
    free(it);
}

static void answer(const struct replay *it)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_u64(&json, "executions", it->entered);
    json_close(&json);
    call_answer(it->call, 202, &json);
}

static void next_slice(struct replay *it);

// What was entered when a client goes away stays so.
static void sliced(struct store_op *op)
{
    struct replay *it = CONTAINER_OF(op, struct replay, enter.op);
    call_unref(it->call);
    it->entered += op->err ? 0 : it->enter.ret_entered;
    it->enter.after = it->enter.ret_last;
    if (op->err == 0 && it->enter.ret_last && it->call->request) {
        next_slice(it);
        return;
    }
    if (op->err)
        call_fail(it->call, op->err, NULL);
    else
        answer(it);
    replay_free(it);
}

static void next_slice(struct replay *it)
{
    call_submit(it->call, STORE_MIRROR_ENTER, &it->enter.op, sliced);
}

void loki_replay(struct call *call)
{
    if (!call->api->options.mirror) {
        call_fail(call, ERR_UNSUPPORTED, "this server mirrors no logs in Loki; its setting loki_url names one");
        return;
    }
    struct replay *it = xcalloc(1, sizeof(*it));
    call_ref(call);
    it->call = call;
    it->enter.of_account = call->principal.account;
    if (call->route->resource == RESOURCE_EXECUTION) {
        it->enter.row = call->execution.row;
    } else {
        it->enter.since_ms = call_param(call, "since").number;
        it->enter.until_ms = call_param(call, "until").number;
    }
    next_slice(it);
}
