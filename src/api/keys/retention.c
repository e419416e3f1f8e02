// What is kept of an account's executions, part by part, and whose rule says so.
#include "api/keys/keys.h"
#include "model/retention_parts.h"

struct rules {
    struct store_account_list list;
    struct call *call;
    char name[ACCOUNT_NAME_MAX + 1]; // of the account that an operator names
};

static void add_part(struct json_writer *json, const char *name, const struct retention_part *part)
{
    CLEANUP(buf_release) struct buf text = {0};
    retention_part_append(part, &text);
    json_add_str(json, name, buf_str(&text));
}

static void add_rules(struct json_writer *json, const struct retention *server, struct str own)
{
    struct retention applies = *server;
    struct retention_part of_server[RETENTION_PARTS_MAX], parts[RETENTION_PARTS_MAX];
    bool named[RETENTION_PARTS_MAX] = {0};
    if (own.len > 0) {
        retention_parse(own, &applies); // it was checked when it was set
        retention_parts_named(own, named);
    }
    retention_parts(server, of_server);
    size_t count = retention_parts(&applies, parts);
    json_open_object(json, "rules");
    for (size_t i = 0; i < count; i++) {
        json_open_object(json, parts[i].name);
        add_part(json, "value", &parts[i]);
        json_add_text(json, "from", named[i] ? "account" : "server");
        add_part(json, "server", &of_server[i]);
        json_close(json);
    }
    json_close(json);
}

static void answer(struct call *call, const struct account *account)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "account", account->name);
    json_add_text(&json, "retention", account->retention[0] ? account->retention : NULL);
    add_rules(&json, &call->api->limits->retention, str_of(account->retention));
    json_close(&json);
    call_answer(call, 200, &json);
}

static void found(struct store_op *op)
{
    struct rules *it = CONTAINER_OF(op, struct rules, list.op);
    struct call *call = it->call;
    int err = op->err;
    bool own = it->name[0] == '\0';
    if (err == 0 && (it->list.ret_count == 0 || (own && it->list.ret_accounts->row != call->principal.account)))
        err = ERR_NOT_FOUND; // deleted meanwhile
    if (err)
        call_fail(call, err, account_error_text(err));
    else
        answer(call, it->list.ret_accounts);
    store_op_release(op);
    free(it);
    call_unref(call);
}

void accounts_retention(struct call *call)
{
    struct rules *it = xcalloc(1, sizeof(*it));
    it->call = call;
    if (!call_take_account(call, call_param(call, "account").text, it->name)) {
        free(it);
        return;
    }
    it->list.name = str_of(it->name);
    it->list.after_row = call->principal.account - 1; // without a name the first one behind it is the caller's own
    it->list.limit = 1;
    call_submit(call, STORE_ACCOUNT_LIST, &it->list.op, found);
}
