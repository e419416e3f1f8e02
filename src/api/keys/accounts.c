// Accounts: made, looked at, suspended, resumed and deleted by operators.
#include "api/body.h"
#include "api/cursor.h"
#include "api/keys/keys.h"

#define LIST_DEFAULT 100
#define LIST_MAX     1000
#define NAME_RULE    "must match [A-Za-z0-9][A-Za-z0-9._-]{0,62}"

static void append_account(struct buf *json, const struct account *account)
{
    buf_append_text(json, "{\"name\":");
    buf_append_json_string(json, str_of(account->name));
    buf_printf(json, ",\"suspended\":%s", account->suspended_ms ? "true" : "false");
    append_time(json, "created_at", account->created_ms);
    append_time(json, "suspended_at", account->suspended_ms);
    buf_append_byte(json, '}');
}

static void answer_account(struct call *call, int status, const struct account *account)
{
    CLEANUP(buf_release) struct buf json = {0};
    append_account(&json, account);
    call_answer_json(call, status, &json);
}

static const char *error_detail(int err)
{
    switch (err) {
    case ERR_NOT_FOUND:
        return NO_SUCH_ACCOUNT;
    case ERR_EXPIRED:
        return ACCOUNT_GONE;
    default:
        return NULL;
    }
}

// --- Making

struct account_create {
    struct store_account_create create;
    struct call *call;
    char name[ACCOUNT_NAME_MAX + 1];
};

static void create_done(struct store_op *op)
{
    struct account_create *it = CONTAINER_OF(op, struct account_create, create.op);

    if (op->err == 0)
        answer_account(it->call, 201, &it->create.ret_account);
    else
        call_fail(it->call, op->err,
                  op->err == ERR_CONFLICT ? "there is such an account already" : error_detail(op->err));
    store_op_release(op);
    call_unref(it->call);
    free(it);
}

void accounts_create(struct call *call)
{
    static const char *const known[] = {"name", NULL};
    json_t *body = call_json_object(call);
    if (!body)
        return;
    const json_t *name = json_object_get(body, "name");
    struct str text = str_n(json_string_value(name), json_string_length(name));
    struct http_field_error error = {"name", NAME_RULE};

    if (!call_json_known(call, body, known)) {
        json_decref(body);
        return;
    }
    if (!id_account_valid(text)) {
        call_fail_fields(call, &error, 1);
    } else {
        struct account_create *it = xcalloc(1, sizeof *it);
        it->call = call;
        memcpy(it->name, text.data, text.len);
        it->create = (struct store_account_create){
            .op = {.kind = STORE_ACCOUNT_CREATE, .reply_to = call->api->options.loop, .done = create_done},
            .name = str_of(it->name),
        };
        call_ref(call);
        store_submit(call->api->options.store, &it->create.op);
    }
    json_decref(body);
}

// --- Looking

struct account_list {
    struct store_account_list list;
    struct call *call;
    char name[ACCOUNT_NAME_MAX + 1];
};

static void list_answer(struct account_list *it)
{
    CLEANUP(buf_release) struct buf json = {0};
    buf_append_text(&json, "{\"accounts\":[");
    for (size_t i = 0; i < it->list.ret_count; i++) {
        if (i)
            buf_append_byte(&json, ',');
        append_account(&json, &it->list.ret_accounts[i]);
    }
    buf_append_byte(&json, ']');
    append_next_cursor(&json, it->call, it->list.ret_next_row);
    buf_append_byte(&json, '}');
    call_answer_json(it->call, 200, &json);
}

static void list_done(struct store_op *op)
{
    struct account_list *it = CONTAINER_OF(op, struct account_list, list.op);

    if (op->err)
        call_fail(it->call, op->err, error_detail(op->err));
    else if (it->name[0])
        answer_account(it->call, 200, it->list.ret_accounts);
    else
        list_answer(it);
    store_op_release(op);
    call_unref(it->call);
    free(it);
}

static void list_submit(struct account_list *it)
{
    struct call *call = it->call;
    it->list.op = (struct store_op){.kind = STORE_ACCOUNT_LIST, .reply_to = call->api->options.loop, .done = list_done};
    call_ref(call);
    store_submit(call->api->options.store, &it->list.op);
}

void accounts_list(struct call *call)
{
    struct str cursor, limit;
    uint64_t number = LIST_DEFAULT;
    int64_t after = 0;

    if (http_param(call->request, STR("limit"), &limit) &&
        (!str_to_u64(limit, &number) || number < 1 || number > LIST_MAX)) {
        call_fail(call, ERR_MALFORMED, "parameter limit: must be 1 to 1000");
        return;
    }
    if (http_param(call->request, STR("cursor"), &cursor) &&
        !cursor_parse(call->api, call->principal.account, cursor, &after)) {
        call_fail(call, ERR_BAD_CURSOR, "parameter cursor: is not a cursor of this list");
        return;
    }
    struct account_list *it = xcalloc(1, sizeof *it);
    it->call = call;
    it->list = (struct store_account_list){.after_row = after, .limit = (unsigned)number};
    list_submit(it);
}

// False after having answered: a name that cannot be one.
static bool take_name(struct call *call, char out[ACCOUNT_NAME_MAX + 1])
{
    if (!id_account_valid(call->parameter)) {
        call_fail(call, ERR_NOT_FOUND, NO_SUCH_ACCOUNT);
        return false;
    }
    memcpy(out, call->parameter.data, call->parameter.len);
    out[call->parameter.len] = '\0';
    return true;
}

void accounts_get(struct call *call)
{
    struct account_list *it = xcalloc(1, sizeof *it);
    it->call = call;
    if (!take_name(call, it->name)) {
        free(it);
        return;
    }
    it->list = (struct store_account_list){.name = str_of(it->name)};
    list_submit(it);
}

// --- Changing

struct account_change {
    struct store_account_change change;
    struct call *call;
    char name[ACCOUNT_NAME_MAX + 1];
};

static void change_answer(struct account_change *it)
{
    CLEANUP(buf_release) struct buf json = {0};
    if (it->change.state != ACCOUNT_DELETED) {
        answer_account(it->call, 200, &it->change.ret_account);
        return;
    }
    buf_append_text(&json, "{\"name\":");
    buf_append_json_string(&json, str_of(it->name));
    buf_append_text(&json, ",\"deleted\":true}");
    call_answer_json(it->call, 200, &json);
}

static void change_done(struct store_op *op)
{
    struct account_change *it = CONTAINER_OF(op, struct account_change, change.op);
    const struct store_account_change *change = &it->change;

    // Before the answer: who has it may rely on it.
    if (op->err == 0)
        auth_account_changed(it->call->api->options.auth, change->ret_account.row, change->state, change->ret_change);
    if (op->err == 0)
        change_answer(it);
    else
        call_fail(it->call, op->err,
                  op->err == ERR_CONFLICT
                      ? "the account holds executions; purge=true (--purge) deletes it with all of them"
                      : error_detail(op->err));
    call_unref(it->call);
    free(it);
}

static void change_submit(struct call *call, enum account_state state, bool purge)
{
    struct account_change *it = xcalloc(1, sizeof *it);
    it->call = call;
    if (!take_name(call, it->name)) {
        free(it);
        return;
    }
    it->change = (struct store_account_change){
        .op = {.kind = STORE_ACCOUNT_CHANGE, .reply_to = call->api->options.loop, .done = change_done},
        .name = str_of(it->name),
        .state = state,
        .purge = purge,
    };
    call_ref(call);
    store_submit(call->api->options.store, &it->change.op);
}

void accounts_patch(struct call *call)
{
    static const char *const known[] = {"suspended", NULL};
    json_t *body = call_json_object(call);
    if (!body)
        return;
    const json_t *suspended = json_object_get(body, "suspended");
    struct http_field_error error = {"suspended", "must be true or false"};

    if (!call_json_known(call, body, known)) {
        json_decref(body);
        return;
    }
    if (!json_is_boolean(suspended))
        call_fail_fields(call, &error, 1);
    else
        change_submit(call, json_is_true(suspended) ? ACCOUNT_SUSPENDED : ACCOUNT_ACTIVE, false);
    json_decref(body);
}

void accounts_delete(struct call *call)
{
    struct str purge = {0};
    bool given = http_param(call->request, STR("purge"), &purge);

    if (given && !str_eq(purge, STR("true")) && !str_eq(purge, STR("false")))
        call_fail(call, ERR_MALFORMED, "parameter purge: must be true or false");
    else if (str_eq(call->parameter, STR(ACCOUNT_DEFAULT)))
        call_fail(call, ERR_CONFLICT, "the account " ACCOUNT_DEFAULT " cannot be deleted; each start needs it");
    else
        change_submit(call, ACCOUNT_DELETED, str_eq(purge, STR("true")));
}
