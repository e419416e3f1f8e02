#include "api/secrets/secrets.h"

#include "api/keys/keys.h"

#define NO_SUCH_SECRET "no such secret"

static void add_secret(struct json_writer *json, const struct secret *secret)
{
    json_open_object(json, NULL);
    json_add_text(json, "name", secret->name);
    json_add_u64(json, "version", secret->version);
    json_add_time(json, "created_at", secret->created_ms);
    json_add_time(json, "changed_at", secret->changed_ms);
    json_add_time(json, "last_used_at", secret->used_ms);
    json_close(json);
}

static void answer_secret(struct call *call, int status, const struct secret *secret)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    add_secret(&json, secret);
    call_answer(call, status, &json);
}

static void copy_name(struct str name, char out[SECRET_NAME_MAX + 1])
{
    snprintf(out, SECRET_NAME_MAX + 1, "%.*s", STR_ARGS(name));
}

// Returns false after it has answered: a name that cannot be one is nobody's.
static bool take_name(struct call *call, char out[SECRET_NAME_MAX + 1])
{
    struct str name = call_capture(call, "name");
    if (!secret_name_valid(name)) {
        call_fail(call, ERR_NOT_FOUND, NO_SUCH_SECRET);
        return false;
    }
    copy_name(name, out);
    return true;
}

// --- Setting

struct setting {
    struct store_secret_set set;
    struct call *call;
    char name[SECRET_NAME_MAX + 1];
    struct buf sealed;
};

static void set_done(struct store_op *op)
{
    struct setting *it = CONTAINER_OF(op, struct setting, set.op);
    if (op->err == 0)
        answer_secret(it->call, it->set.ret_created ? 201 : 200, &it->set.ret_secret);
    else
        call_fail(it->call, op->err,
                  op->err == ERR_RATE ? "the account has as many secrets as it may" : account_error_text(op->err));
    store_op_release(op);
    call_unref(it->call);
    buf_release(&it->sealed);
    free(it);
}

// Returns false after it has answered.
static bool check_setting(struct call *call)
{
    struct str name = call_capture(call, "name");
    const char *problem = secret_value_problem(call_member(call, "value").text);
    if (!call->api->options.keyring)
        call_fail(call, ERR_UNSUPPORTED, "this server keeps no secrets");
    else if (!secret_name_valid(name))
        call_fail_fields(call, &(struct http_field_error){"name", SECRET_NAME_MUST}, 1);
    else if (problem)
        call_fail_fields(call, &(struct http_field_error){"value", problem}, 1);
    else
        return true;
    return false;
}

void secrets_set(struct call *call)
{
    if (!check_setting(call))
        return;
    struct setting *it = xcalloc(1, sizeof(*it));
    it->call = call;
    copy_name(call_capture(call, "name"), it->name);
    const struct keyring_place place = {call->principal.account, str_of(it->name)};
    keyring_seal(call->api->options.keyring, &place, call_member(call, "value").text, &it->sealed);
    it->set = (struct store_secret_set){
        .account = call->principal.account,
        .name = str_of(it->name),
        .sealed = buf_str(&it->sealed),
        .max = call->api->limits->secrets_max,
    };
    call_submit(call, STORE_SECRET_SET, &it->set.op, set_done);
}

// --- Sealing anew

struct resealing {
    struct store_secret_take take;
    struct store_secret_set set;
    struct call *call;
    char name[SECRET_NAME_MAX + 1];
    struct str names[1];
    struct buf sealed;
};

static void reseal_end(struct resealing *it, int err, bool resealed)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "name", it->name);
    json_add_bool(&json, "resealed", resealed);
    json_close(&json);
    if (err == 0)
        call_answer(it->call, 200, &json);
    else
        call_fail(it->call, err, err == ERR_NOT_FOUND ? NO_SUCH_SECRET : NULL);
    buf_release(&it->sealed);
    store_op_release(&it->take.op);
    call_unref(it->call);
    free(it);
}

// What was set meanwhile is sealed by the newest key.
static void reseal_done(struct store_op *op)
{
    struct resealing *it = CONTAINER_OF(op, struct resealing, set.op);
    reseal_end(it, op->err == ERR_CONFLICT ? 0 : op->err, op->err == 0);
}

// Returns 0 or what a caller is told.
static int seal_anew(struct resealing *it, struct str former)
{
    CLEANUP(buf_release) struct buf value = {0};
    const struct keyring *keyring = it->call->api->options.keyring;
    const struct keyring_place place = {it->call->principal.account, str_of(it->name)};
    int err = keyring_open(keyring, &place, former, &value);
    if (err == 0)
        keyring_seal(keyring, &place, buf_str(&value), &it->sealed);
    if (value.data)
        explicit_bzero(value.data, value.cap);
    return err;
}

static void reseal_taken(struct store_op *op)
{
    struct resealing *it = CONTAINER_OF(op, struct resealing, take.op);
    struct str former = buf_str(&it->take.ret_sealed[0]);
    bool newest = op->err == 0 && keyring_is_newest(it->call->api->options.keyring, former);
    if (op->err || newest) {
        reseal_end(it, op->err, false);
        return;
    }
    int err = seal_anew(it, former);
    if (err < 0) {
        call_fail(it->call, ERR_CONFLICT,
                  err == ERR_NOT_FOUND ? "it was sealed by a key that the file of secrets_key does not hold any more"
                                       : "what is stored of it is not what was sealed; set it again");
        reseal_end(it, ERR_CONFLICT, false); // it was answered
        return;
    }
    it->set = (struct store_secret_set){
        .op = {.kind = STORE_SECRET_SET,
               .reply_to = it->call->api->options.loop,
               .done = reseal_done,
               .account = it->call->principal.account},
        .account = it->call->principal.account,
        .name = str_of(it->name),
        .sealed = buf_str(&it->sealed),
        .former = former,
    };
    store_submit(it->call->api->options.store, &it->set.op);
}

void secrets_reseal(struct call *call)
{
    if (!call->api->options.keyring) {
        call_fail(call, ERR_UNSUPPORTED, "this server keeps no secrets");
        return;
    }
    struct resealing *it = xcalloc(1, sizeof(*it));
    it->call = call;
    if (!take_name(call, it->name)) {
        free(it);
        return;
    }
    it->names[0] = str_of(it->name);
    it->take =
        (struct store_secret_take){.account = call->principal.account, .names = it->names, .count = 1, .looks = true};
    call_submit(call, STORE_SECRET_TAKE, &it->take.op, reseal_taken);
}

// --- Listing

struct listing {
    struct store_secret_list list;
    struct call *call;
    char name[SECRET_NAME_MAX + 1], after[SECRET_NAME_MAX + 1];
};

// `next`: the last name, if there may be more.
static void answer_list(struct listing *it)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    const struct store_secret_list *list = &it->list;
    json_open_object(&json, NULL);
    json_open_array(&json, "secrets");
    for (size_t i = 0; i < list->ret_count; i++)
        add_secret(&json, &list->ret_secrets[i]);
    json_close(&json);
    json_add_text(&json, "next", list->ret_count == list->limit ? list->ret_secrets[list->ret_count - 1].name : NULL);
    json_close(&json);
    call_answer(it->call, 200, &json);
}

static void list_done(struct store_op *op)
{
    struct listing *it = CONTAINER_OF(op, struct listing, list.op);
    if (op->err)
        call_fail(it->call, op->err, op->err == ERR_NOT_FOUND ? NO_SUCH_SECRET : NULL);
    else if (it->name[0])
        answer_secret(it->call, 200, it->list.ret_secrets);
    else
        answer_list(it);
    store_op_release(op);
    call_unref(it->call);
    free(it);
}

void secrets_list(struct call *call)
{
    struct listing *it = xcalloc(1, sizeof(*it));
    it->call = call;
    copy_name(call_param(call, "after").text, it->after);
    it->list = (struct store_secret_list){
        .account = call->principal.account,
        .after = str_of(it->after),
        .limit = (unsigned)call_param(call, "limit").number,
    };
    call_submit(call, STORE_SECRET_LIST, &it->list.op, list_done);
}

void secrets_get(struct call *call)
{
    struct listing *it = xcalloc(1, sizeof(*it));
    it->call = call;
    if (!take_name(call, it->name)) {
        free(it);
        return;
    }
    it->list = (struct store_secret_list){.account = call->principal.account, .name = str_of(it->name)};
    call_submit(call, STORE_SECRET_LIST, &it->list.op, list_done);
}

// --- Deleting

struct deleting {
    struct store_secret_delete gone;
    struct call *call;
    char name[SECRET_NAME_MAX + 1];
};

static void delete_done(struct store_op *op)
{
    struct deleting *it = CONTAINER_OF(op, struct deleting, gone.op);
    if (op->err == 0) {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_add_text(&json, "name", it->name);
        json_add_bool(&json, "deleted", true);
        json_close(&json);
        call_answer(it->call, 200, &json);
    } else {
        call_fail(it->call, op->err, op->err == ERR_NOT_FOUND ? NO_SUCH_SECRET : NULL);
    }
    store_op_release(op);
    call_unref(it->call);
    free(it);
}

void secrets_delete(struct call *call)
{
    struct deleting *it = xcalloc(1, sizeof(*it));
    it->call = call;
    if (!take_name(call, it->name)) {
        free(it);
        return;
    }
    it->gone = (struct store_secret_delete){.account = call->principal.account, .name = str_of(it->name)};
    call_submit(call, STORE_SECRET_DELETE, &it->gone.op, delete_done);
}
