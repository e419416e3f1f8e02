// The list of an account's executions.
#include "api/cursor.h"
#include "api/executions/executions.h"
#include "util/clock.h"
#include "util/when.h"

#define LIST_DEFAULT   50
#define LIST_BYTES_MAX ((size_t)1024 * 1024)
#define LIST_MAX       1000

struct list {
    struct store_list list;
    struct call *call;
    const char *bad_name, *bad_reason;
    int err; // of a bad parameter
};

#define TOO_MANY_VALUES "is given too many times"

static const char *add_value(struct store_values *values, struct str value)
{
    if (value.len == 0)
        return NULL;
    if (values->count == STORE_LIST_VALUES_MAX)
        return TOO_MANY_VALUES;
    values->items[values->count++] = value;
    return NULL;
}

static const char *add_status(struct store_list *list, struct str value)
{
    enum execution_status status;
    if (!status_parse(value, &status))
        return "is not a status";
    list->statuses |= 1u << status;
    return NULL;
}

static const char *add_label(struct store_list *list, struct str name, struct str value)
{
    if (list->label_count == STORE_LIST_VALUES_MAX)
        return TOO_MANY_VALUES;
    list->labels[list->label_count++] = (struct store_label){name, value};
    return NULL;
}

static bool list_param(struct str name, struct str value, void *arg)
{
    struct list *it = arg;
    uint64_t number;

    it->bad_name = arena_dup(http_arena(it->call->request), name);
    it->bad_reason = NULL;
    it->err = ERR_MALFORMED;
    if (str_eq(name, STR("status"))) {
        it->bad_reason = add_status(&it->list, value);
    } else if (str_eq(name, STR("batch_id"))) {
        it->bad_reason = add_value(&it->list.batch_ids, value);
    } else if (str_eq(name, STR("workflow_id"))) {
        it->bad_reason = add_value(&it->list.workflow_ids, value);
    } else if (str_eq(name, STR("id_prefix"))) {
        it->list.id_prefix = value;
    } else if (str_starts(name, STR("metadata.")) && name.len > 9) {
        it->bad_reason = add_label(&it->list, str_n(name.data + 9, name.len - 9), value);
    } else if (str_eq(name, STR("since"))) {
        if (!when_parse_since(value, clock_real_ms(), &it->list.since_ms))
            it->bad_reason = "must be RFC 3339 or a duration such as 10m";
    } else if (str_eq(name, STR("limit"))) {
        if (!str_to_u64(value, &number) || number < 1 || number > LIST_MAX)
            it->bad_reason = "must be 1 to 1000";
        else
            it->list.limit = (unsigned)number;
    } else if (str_eq(name, STR("cursor"))) {
        if (!cursor_parse(it->call->api, it->list.account, value, &it->list.before_row)) {
            it->bad_reason = "is not a cursor of this list";
            it->err = ERR_BAD_CURSOR;
        }
    } else {
        it->bad_reason = "is not a parameter of this route";
    }
    return it->bad_reason == NULL;
}

static void list_done(struct store_op *op)
{
    struct list *it = CONTAINER_OF(op, struct list, list.op);
    struct call *call = it->call;

    if (op->err == 0 && call->request) {
        CLEANUP(buf_release) struct buf json = {0};
        int64_t now = clock_real_ms();
        buf_append_text(&json, "{\"executions\":[");
        for (size_t i = 0; i < it->list.ret_count; i++) {
            struct execution_live live;
            hub_live(call->api->options.hub, it->list.ret_executions[i].row, &live);
            if (i)
                buf_append_byte(&json, ',');
            execution_append_status_json(&json, &it->list.ret_executions[i], &live, now);
        }
        buf_append_byte(&json, ']');
        append_next_cursor(&json, call, it->list.ret_next_row);
        buf_append_byte(&json, '}');
        call_answer_json(call, 200, &json);
    } else if (op->err) {
        call_fail(call, op->err, NULL);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

// The parameters' bytes live in the request's arena, which may go before the store has read them.
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

void executions_list(struct call *call)
{
    const size_t room = 9 * 1024; // a URL is at most 8 KiB
    struct list *it = xcalloc(1, sizeof *it + room);
    it->call = call;
    it->list = (struct store_list){
        .op = {.kind = STORE_LIST, .reply_to = call->api->options.loop, .done = list_done},
        .account = call->principal.account,
        .limit = LIST_DEFAULT,
        .max_bytes = LIST_BYTES_MAX,
    };
    if (call->principal.role == ROLE_USER)
        it->list.owner = str_of(call->principal.user);
    if (!http_params_each(call->request, list_param, it)) {
        call_fail(call, it->err,
                  arena_printf(http_arena(call->request), "parameter %s: %s", it->bad_name, it->bad_reason));
        free(it);
        return;
    }
    list_keep_all(&it->list, (char *)(it + 1), room);
    call_ref(call);
    store_submit(call->api->options.store, &it->list.op);
}
