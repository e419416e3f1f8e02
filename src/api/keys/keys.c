// API keys.
#include "api/keys/keys.h"

#include "util/clock.h"

#define NO_SUCH_KEY "no such key"

static void add_key(struct json_writer *json, const struct api_key *key, const char *secret)
{
    json_open_object(json, NULL);
    json_add_text(json, "key_id", key->key_id);
    json_add_str(json, "name", str_of(key->name));
    json_add_text(json, "role", role_name(key->role));
    if (secret)
        json_add_text(json, "key", secret);
    json_add_time(json, "created_at", key->created_ms);
    json_add_time(json, "expires_at", key->expires_ms);
    json_add_time(json, "last_used_at", key->last_used_ms);
    json_add_time(json, "revoked_at", key->revoked_ms);
    json_close(json);
}

bool call_take_account(struct call *call, struct str given, char out[ACCOUNT_NAME_MAX + 1])
{
    out[0] = '\0';
    if (!given.data)
        return true;
    if (call->principal.role != ROLE_OPERATOR) {
        call_fail(call, ERR_FORBIDDEN, "only an operator may name an account");
        return false;
    }
    if (given.len < 1 || given.len > ACCOUNT_NAME_MAX) {
        call_fail(call, ERR_NOT_FOUND, NO_SUCH_ACCOUNT);
        return false;
    }
    memcpy(out, given.data, given.len);
    out[given.len] = '\0';
    return true;
}

struct key_create {
    struct store_key_create create;
    struct call *call;
    char account[ACCOUNT_NAME_MAX + 1];
    char secret[API_KEY_LEN + 1];
};

static void key_create_done(struct store_op *op)
{
    struct key_create *it = CONTAINER_OF(op, struct key_create, create.op);

    if (op->err == 0) {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        add_key(&json, &it->create.key, it->secret);
        call_answer(it->call, 201, &json);
        memset(text.data, 0, text.len);
    } else {
        call_fail(it->call, op->err, account_error_text(op->err));
    }
    memset(it->secret, 0, sizeof(it->secret));
    call_unref(it->call);
    store_op_release(op);
    api_key_release(&it->create.key);
    free(it);
}

// Reads "90d" or RFC 3339. Returns false if it is neither or is in the past.
static bool parse_expiry(struct str text, int64_t *ret_ms)
{
    int64_t now = clock_real_ms(), duration;
    if (duration_parse(text, &duration))
        *ret_ms = now + duration;
    else if (!time_parse_rfc3339(text, ret_ms))
        return false;
    return *ret_ms > now;
}

static void key_create_submit(struct call *call, enum role role, int64_t expires_ms)
{
    struct key_create *it = xcalloc(1, sizeof(*it));
    char id[ID_SORTABLE_LEN + 1];
    if (!call_take_account(call, call_member(call, "account").text, it->account)) {
        free(it);
        return;
    }
    id_sortable(clock_real_ms(), id);
    it->call = call;
    it->create = (struct store_key_create){
        .account_name = str_of(it->account),
        .key = {.account = call->principal.account,
                .key_id = xasprintf("key_%s", id),
                .name = xstrdup(call_member(call, "name").text.data),
                .role = role,
                .created_ms = clock_real_ms(),
                .expires_ms = expires_ms},
    };
    api_key_make(it->secret, it->create.key.hash);
    call_submit(call, STORE_KEY_CREATE, &it->create.op, key_create_done);
}

void keys_create(struct call *call)
{
    struct field_value expires = call_member(call, "expires_at");
    enum role role = ROLE_NONE;
    int64_t expires_ms = 0;

    role_parse(call_member(call, "role").text, &role);
    if (expires.given && !parse_expiry(expires.text, &expires_ms))
        call_fail_fields(
            call,
            &(struct http_field_error){"expires_at", "must be RFC 3339 or a duration such as 90d, and in the future"},
            1);
    else if (role > call->principal.role)
        call_fail(call, ERR_FORBIDDEN, "a key cannot make one with a higher role than its own");
    else
        key_create_submit(call, role, expires_ms);
}

struct key_list {
    struct store_key_list list;
    struct call *call;
    char account[ACCOUNT_NAME_MAX + 1];
};

static void key_list_done(struct store_op *op)
{
    struct key_list *it = CONTAINER_OF(op, struct key_list, list.op);

    if (op->err == 0) {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_open_array(&json, "keys");
        for (size_t i = 0; i < it->list.ret_count; i++)
            add_key(&json, &it->list.ret_keys[i], NULL);
        json_close(&json);
        json_close(&json);
        call_answer(it->call, 200, &json);
    } else {
        call_fail(it->call, op->err, account_error_text(op->err));
    }
    call_unref(it->call);
    store_op_release(op);
    free(it);
}

void keys_list(struct call *call)
{
    struct key_list *it = xcalloc(1, sizeof(*it));
    if (!call_take_account(call, call_param(call, "account").text, it->account)) {
        free(it);
        return;
    }
    it->call = call;
    it->list = (struct store_key_list){
        .account = call->principal.account,
        .account_name = str_of(it->account),
    };
    call_submit(call, STORE_KEY_LIST, &it->list.op, key_list_done);
}

// --- One key

struct key_name {
    char account[ACCOUNT_NAME_MAX + 1], key_id[64];
};

// Whose key and which one. Returns false after it has answered.
static bool take_key(struct call *call, struct key_name *ret)
{
    struct str key_id = call_capture(call, "key_id");
    if (!call_take_account(call, call_param(call, "account").text, ret->account))
        return false;
    if (key_id.len >= sizeof(ret->key_id)) {
        call_fail(call, ERR_NOT_FOUND, NO_SUCH_KEY);
        return false;
    }
    memcpy(ret->key_id, key_id.data, key_id.len);
    ret->key_id[key_id.len] = '\0';
    return true;
}

static const char *key_error_text(int err)
{
    switch (err) {
    case ERR_NOT_FOUND:
        return NO_SUCH_KEY;
    case ERR_FORBIDDEN:
        return "a key cannot change one with a higher role than its own";
    default:
        return account_error_text(err);
    }
}

struct key_rename {
    struct store_key_rename rename;
    struct call *call;
    struct key_name key;
    char *name;
};

static void key_rename_done(struct store_op *op)
{
    struct key_rename *it = CONTAINER_OF(op, struct key_rename, rename.op);

    if (op->err == 0) {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_add_text(&json, "key_id", it->key.key_id);
        json_add_text(&json, "name", it->name);
        json_close(&json);
        call_answer(it->call, 200, &json);
    } else {
        call_fail(it->call, op->err, key_error_text(op->err));
    }
    call_unref(it->call);
    store_op_release(op);
    free(it->name);
    free(it);
}

void keys_rename(struct call *call)
{
    struct key_rename *it = xcalloc(1, sizeof(*it));
    if (!take_key(call, &it->key)) {
        free(it);
        return;
    }
    it->call = call;
    it->name = str_dup(call_member(call, "name").text);
    it->rename = (struct store_key_rename){
        .account = call->principal.account,
        .account_name = str_of(it->key.account),
        .key_id = str_of(it->key.key_id),
        .name = str_of(it->name),
        .role = call->principal.role,
    };
    call_submit(call, STORE_KEY_RENAME, &it->rename.op, key_rename_done);
}

struct key_revoke {
    struct store_key_revoke revoke;
    struct call *call;
    struct key_name key;
};

static void key_revoke_done(struct store_op *op)
{
    struct key_revoke *it = CONTAINER_OF(op, struct key_revoke, revoke.op);

    if (op->err == 0) {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        auth_revoked(it->call->api->options.auth, it->revoke.ret_row);
        json_open_object(&json, NULL);
        json_add_text(&json, "key_id", it->key.key_id);
        json_add_bool(&json, "revoked", true);
        json_close(&json);
        call_answer(it->call, 200, &json);
    } else {
        call_fail(it->call, op->err, key_error_text(op->err));
    }
    call_unref(it->call);
    store_op_release(op);
    free(it);
}

void keys_revoke(struct call *call)
{
    struct key_revoke *it = xcalloc(1, sizeof(*it));
    if (!take_key(call, &it->key)) {
        free(it);
        return;
    }
    it->call = call;
    it->revoke = (struct store_key_revoke){
        .account = call->principal.account,
        .account_name = str_of(it->key.account),
        .key_id = str_of(it->key.key_id),
        .role = call->principal.role,
    };
    call_submit(call, STORE_KEY_REVOKE, &it->revoke.op, key_revoke_done);
}
