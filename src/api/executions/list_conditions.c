// Which executions a list is of: the parameters that all lists take.
#include "api/executions/list_conditions.h"

#include "api/cursor.h"

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

struct taking {
    struct call *call;
    struct store_list *list;
};

// Takes the parameters that may repeat.
static bool list_param(struct str name, struct str value, void *arg)
{
    struct taking *it = arg;
    const char *reason = NULL;

    if (str_eq(name, STR("status")))
        add_statuses(it->list, value);
    else if (str_eq(name, STR("batch_id")))
        reason = add_values(&it->list->batch_ids, value);
    else if (str_eq(name, STR("workflow_id")))
        reason = add_values(&it->list->workflow_ids, value);
    else if (str_starts(name, STR("metadata.")))
        reason = add_label(it->list, str_n(name.data + 9, name.len - 9), value);
    if (reason)
        call_fail(it->call, ERR_MALFORMED,
                  arena_printf(http_arena(it->call->request), "parameter %.*s: %s", STR_ARGS(name), reason));
    return !reason;
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

static void keep_all(struct store_list *list, char *at)
{
    const char *end = at + LIST_ROOM;
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

void list_conditions_init(const struct call *call, struct store_list *ret)
{
    *ret = (struct store_list){.account = call->principal.account, .max_bytes = LIST_BYTES_MAX};
    if (call->principal.role == ROLE_USER)
        ret->owner = str_of(call->principal.user);
}

bool list_conditions_take(struct call *call, struct store_list *list, char room[LIST_ROOM])
{
    struct taking it = {call, list};
    if (!http_params_each(call->request, list_param, &it))
        return false;
    keep_all(list, room);
    return true;
}
