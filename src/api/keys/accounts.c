// Accounts: operators make, list, suspend, resume and delete them.
#include "api/cursor.h"
#include "api/keys/keys.h"

static void add_account(struct json_writer *json, const struct account *account)
{
    json_open_object(json, NULL);
    json_add_text(json, "name", account->name);
    json_add_bool(json, "suspended", account->suspended_ms);
    json_add_time(json, "created_at", account->created_ms);
    json_add_time(json, "suspended_at", account->suspended_ms);
    json_add_text(json, "retention", account->retention[0] ? account->retention : NULL);
    json_add_u64(json, "file_bytes", account->file_bytes);
    json_close(json);
}

static void answer_account(struct call *call, int status, const struct account *account)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    add_account(&json, account);
    call_answer(call, status, &json);
}

const char *account_error_text(int err)
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
                  op->err == ERR_CONFLICT ? "there is such an account already" : account_error_text(op->err));
    store_op_release(op);
    call_unref(it->call);
    free(it);
}

void accounts_create(struct call *call)
{
    struct str name = call_member(call, "name").text;
    struct account_create *it = xcalloc(1, sizeof(*it));
    it->call = call;
    memcpy(it->name, name.data, name.len);
    it->create.name = str_of(it->name);
    call_submit(call, STORE_ACCOUNT_CREATE, &it->create.op, create_done);
}

// --- Listing

struct account_list {
    struct store_account_list list;
    struct call *call;
    char name[ACCOUNT_NAME_MAX + 1];
};

static void list_answer(struct account_list *it)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_open_array(&json, "accounts");
    for (size_t i = 0; i < it->list.ret_count; i++)
        add_account(&json, &it->list.ret_accounts[i]);
    json_close(&json);
    add_next_cursor(&json, it->call, it->list.ret_next_row);
    json_close(&json);
    call_answer(it->call, 200, &json);
}

static void list_done(struct store_op *op)
{
    struct account_list *it = CONTAINER_OF(op, struct account_list, list.op);

    if (op->err)
        call_fail(it->call, op->err, account_error_text(op->err));
    else if (it->name[0])
        answer_account(it->call, 200, it->list.ret_accounts);
    else
        list_answer(it);
    store_op_release(op);
    call_unref(it->call);
    free(it);
}

void accounts_list(struct call *call)
{
    int64_t after;
    if (!cursor_take(call, call_param(call, "cursor").text, &after))
        return;
    struct account_list *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->list = (struct store_account_list){.after_row = after, .limit = (unsigned)call_param(call, "limit").number};
    call_submit(call, STORE_ACCOUNT_LIST, &it->list.op, list_done);
}

// Returns false after it has answered, if the name is not valid.
static bool take_name(struct call *call, char out[ACCOUNT_NAME_MAX + 1])
{
    struct str name = call_capture(call, "name");
    if (!id_account_valid(name)) {
        call_fail(call, ERR_NOT_FOUND, NO_SUCH_ACCOUNT);
        return false;
    }
    memcpy(out, name.data, name.len);
    out[name.len] = '\0';
    return true;
}

void accounts_get(struct call *call)
{
    struct account_list *it = xcalloc(1, sizeof(*it));
    it->call = call;
    if (!take_name(call, it->name)) {
        free(it);
        return;
    }
    it->list.name = str_of(it->name);
    call_submit(call, STORE_ACCOUNT_LIST, &it->list.op, list_done);
}

// --- Changing

struct account_change {
    struct store_account_change change;
    struct call *call;
    char name[ACCOUNT_NAME_MAX + 1];
    char retention[RETENTION_TEXT_MAX + 1];
};

static void change_answer(struct account_change *it)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    if (it->change.state != ACCOUNT_DELETED) {
        answer_account(it->call, 200, &it->change.ret_account);
        return;
    }
    json_open_object(&json, NULL);
    json_add_text(&json, "name", it->name);
    json_add_bool(&json, "deleted", true);
    json_close(&json);
    call_answer(it->call, 200, &json);
}

static void change_done(struct store_op *op)
{
    struct account_change *it = CONTAINER_OF(op, struct account_change, change.op);
    const struct store_account_change *change = &it->change;

    // Before the answer: a caller that has the answer may rely on it.
    if (op->err == 0 && change->state != ACCOUNT_AS_IT_IS)
        auth_account_changed(it->call->api->options.auth, change->ret_account.row, change->state, change->ret_change);
    if (op->err == 0)
        change_answer(it);
    else
        call_fail(it->call, op->err,
                  op->err == ERR_CONFLICT
                      ? "the account holds executions; purge=true (--purge) deletes it with all of them"
                      : account_error_text(op->err));
    call_unref(it->call);
    free(it);
}

static void take_retention(struct account_change *it, struct str text)
{
    if (text.len > 0)
        memcpy(it->retention, text.data, text.len);
    it->change.has_retention = true;
    it->change.retention = str_of(it->retention);
}

static void change_submit(struct call *call, enum account_state state, bool purge, const struct field_value *retention)
{
    struct account_change *it = xcalloc(1, sizeof(*it));
    it->call = call;
    if (!take_name(call, it->name)) {
        free(it);
        return;
    }
    it->change = (struct store_account_change){.name = str_of(it->name), .state = state, .purge = purge};
    if (retention && retention->given)
        take_retention(it, retention->text);
    call_submit(call, STORE_ACCOUNT_CHANGE, &it->change.op, change_done);
}

void accounts_patch(struct call *call)
{
    struct field_value suspended = call_member(call, "suspended"), retention = call_member(call, "retention");
    enum account_state state = suspended.number ? ACCOUNT_SUSPENDED : ACCOUNT_ACTIVE;
    if (suspended.given || retention.given)
        change_submit(call, suspended.given ? state : ACCOUNT_AS_IT_IS, false, &retention);
    else
        call_fail_fields(call, &(struct http_field_error){"suspended", "must be there, or retention"}, 1);
}

void accounts_delete(struct call *call)
{
    if (str_eq(call_capture(call, "name"), STR(ACCOUNT_DEFAULT)))
        call_fail(call, ERR_CONFLICT, "the account " ACCOUNT_DEFAULT " cannot be deleted; each start needs it");
    else
        change_submit(call, ACCOUNT_DELETED, call_param(call, "purge").number, NULL);
}
