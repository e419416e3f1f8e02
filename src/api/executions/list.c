// The list of an account's executions.
#include "api/cursor.h"
#include "api/executions/executions.h"
#include "api/executions/list_conditions.h"
#include "api/jobs/jobs.h"
#include "api/workflows/workflows.h"
#include "util/clock.h"

struct list {
    struct store_list list;
    struct call *call;
};

static void list_done(struct store_op *op)
{
    struct list *it = CONTAINER_OF(op, struct list, list.op);
    struct call *call = it->call;

    if (op->err == 0 && call->request) {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        const struct execution_terms terms = api_terms(call->api);
        int64_t now = clock_real_ms();
        json_open_object(&json, NULL);
        json_open_array(&json, "executions");
        for (size_t i = 0; i < it->list.ret_count; i++) {
            struct execution_live live;
            hub_live(call->api->options.hub, it->list.ret_executions[i].row, &live);
            execution_add_status(&json, NULL, &it->list.ret_executions[i], &live, &terms, now);
        }
        json_close(&json);
        add_next_place(&json, call, &it->list.ret_next);
        json_close(&json);
        call_answer(call, 200, &json);
    } else if (op->err) {
        call_fail(call, op->err, NULL);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

static struct list *list_new(struct call *call)
{
    struct list *it = xcalloc(1, sizeof(*it) + LIST_ROOM);
    it->call = call;
    list_conditions_init(call, &it->list);
    return it;
}

static void list_submit(struct list *it)
{
    struct call *call = it->call;
    it->list.limit = (unsigned)call_param(call, "limit").number;
    if (!cursor_take_place(call, call_param(call, "cursor").text, &it->list.before) ||
        !list_conditions_take(call, &it->list, (char *)(it + 1))) {
        free(it);
        return;
    }
    call_submit(it->call, STORE_LIST, &it->list.op, list_done);
}

static void list_all(struct list *it)
{
    struct call *call = it->call;
    it->list.id_prefix = call_param(call, "id_prefix").text;
    it->list.since_ms = call_param(call, "since").number;
    list_submit(it);
}

void executions_list(struct call *call)
{
    list_all(list_new(call));
}

void workflows_executions(struct call *call)
{
    struct list *it = list_new(call);
    it->list.workflow_ids.items[it->list.workflow_ids.count++] = str_of(call->workflow.workflow_id);
    list_all(it);
}

void batches_executions(struct call *call)
{
    struct list *it = list_new(call);
    it->list.batch_ids.items[it->list.batch_ids.count++] = str_of(call->batch.batch_id);
    list_submit(it);
}
