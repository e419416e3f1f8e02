// The list of an account's executions.
#include "api/cursor.h"
#include "api/executions/executions.h"
#include "api/jobs/jobs.h"
#include "api/workflows/workflows.h"
#include "util/clock.h"

#define LIST_BYTES_MAX ((size_t)1024 * 1024)
#define LIST_ROOM      ((size_t)9 * 1024) // a URL is at most 8 KiB

struct list {
    struct store_list list;
    struct call *call;
};

#define TOO_MANY_VALUES "is given too many times"

static const char *add_values(struct store_values *values, struct str text)
{
    while (text.len > 0) {
        struct str value = str_split(&text, ',');
        if (value.len == 0)
            continue;
        if (values->count == STORE_LIST_VALUES_MAX)
            return TOO_MANY_VALUES;
        values->items[values->count++] = value;
    }
    return NULL;
}

static void add_statuses(struct store_list *list, struct str text)
{
    enum execution_status status;
    while (text.len > 0)
        if (status_parse(str_split(&text, ','), &status))
            list->statuses |= 1u << status;
}

static const char *add_label(struct store_list *list, struct str name, struct str value)
{
    if (list->label_count == STORE_LIST_VALUES_MAX)
        return TOO_MANY_VALUES;
    list->labels[list->label_count++] = (struct store_label){name, value};
    return NULL;
}

// Takes the parameters that may repeat.
static bool list_param(struct str name, struct str value, void *arg)
{
    struct list *it = arg;
    const char *reason = NULL;

    if (str_eq(name, STR("status")))
        add_statuses(&it->list, value);
    else if (str_eq(name, STR("batch_id")))
        reason = add_values(&it->list.batch_ids, value);
    else if (str_eq(name, STR("workflow_id")))
        reason = add_values(&it->list.workflow_ids, value);
    else if (str_starts(name, STR("metadata.")))
        reason = add_label(&it->list, str_n(name.data + 9, name.len - 9), value);
    if (reason)
        call_fail(it->call, ERR_MALFORMED,
                  arena_printf(http_arena(it->call->request), "parameter %.*s: %s", STR_ARGS(name), reason));
    return !reason;
}

// Returns false after it has answered.
static bool list_params(struct list *it)
{
    struct call *call = it->call;
    it->list.limit = (unsigned)call_param(call, "limit").number;
    if (!cursor_take(call, call_param(call, "cursor").text, &it->list.before_row))
        return false;
    return http_params_each(call->request, list_param, it);
}

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
        add_next_cursor(&json, call, it->list.ret_next_row);
        json_close(&json);
        call_answer(call, 200, &json);
    } else if (op->err) {
        call_fail(call, op->err, NULL);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

// The bytes of the parameters are in the request's arena, which may be freed before the store has read them.
static void list_keep(struct str *string, char **at, const char *end)
{
    size_t len = MIN(string->len, (size_t)(end - *at));
    if (len)
        memcpy(*at, string->data, len);
    *string = str_n(*at, len);
    *at += len;
}

static void list_keep_all(struct store_list *list, char *at, size_t size)
{
    const char *end = at + size;
    list_keep(&list->owner, &at, end);
    list_keep(&list->id_prefix, &at, end);
    for (size_t i = 0; i < list->batch_ids.count; i++)
        list_keep(&list->batch_ids.items[i], &at, end);
    for (size_t i = 0; i < list->workflow_ids.count; i++)
        list_keep(&list->workflow_ids.items[i], &at, end);
    for (size_t i = 0; i < list->label_count; i++) {
        list_keep(&list->labels[i].name, &at, end);
        list_keep(&list->labels[i].value, &at, end);
    }
}

static struct list *list_new(struct call *call)
{
    struct list *it = xcalloc(1, sizeof(*it) + LIST_ROOM);
    it->call = call;
    it->list = (struct store_list){
        .account = call->principal.account,
        .max_bytes = LIST_BYTES_MAX,
    };
    if (call->principal.role == ROLE_USER)
        it->list.owner = str_of(call->principal.user);
    return it;
}

static void list_submit(struct list *it)
{
    if (!list_params(it)) {
        free(it);
        return;
    }
    list_keep_all(&it->list, (char *)(it + 1), LIST_ROOM);
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
