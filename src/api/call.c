#include "api/call.h"

#include "util/clock.h"

#include <jansson.h>

void call_ref(struct call *call)
{
    call->refs++;
}

void call_submit(struct call *call, enum store_op_kind kind, struct store_op *op, void (*done)(struct store_op *op))
{
    op->kind = kind;
    op->reply_to = call->api->options.loop;
    op->done = done;
    op->account = call->principal.account;
    call_ref(call);
    store_submit(call->api->options.store, op);
}

void call_unref(struct call *call)
{
    if (--call->refs > 0)
        return;
    kept_execution_unref(&call->lookup.kept);
    json_decref(call->body);
    batch_release(&call->batch);
    workflow_release(&call->workflow);
    free(call->waiting.ret_waiting);
    free(call);
}

struct str call_capture(const struct call *call, const char *name)
{
    for (unsigned i = 0; i < call->capture_count; i++)
        if (str_eq(call->captures[i].name, str_of(name)))
            return call->captures[i].value;
    return (struct str){0};
}

struct str call_asking_user(const struct call *call)
{
    return str_of(call->principal.role == ROLE_USER ? call->principal.user : "");
}

static void call_aborted(void *arg)
{
    struct call *call = arg;
    call->request = NULL;
    call_unref(call);
}

void call_watch(struct call *call)
{
    http_on_abort(call->request, call_aborted, call);
}

// The call also gives up the reference that the open request held.
struct http_request *call_take_request(struct call *call)
{
    struct http_request *request = TAKE_PTR(call->request);
    if (!request)
        return NULL;
    http_on_abort(request, NULL, NULL);
    call_unref(call);
    return request;
}

void call_answer_json(struct call *call, int status, const struct buf *json)
{
    struct http_request *request = call_take_request(call);
    if (!request)
        return;
    // The answer to other methods may hold a credential. The answer to these holds none.
    if (http_method(request) == HTTP_M_GET || http_method(request) == HTTP_M_HEAD)
        http_may_compress(request);
    http_respond(request, status, "application/json", json->data, json->len);
}

void call_answer(struct call *call, int status, const struct json_writer *json)
{
    json_writer_end(json);
    call_answer_json(call, status, json->out);
}

void call_fail(struct call *call, int err, const char *detail)
{
    struct http_request *request = call_take_request(call);
    if (request)
        http_respond_error(request, err, detail);
}

bool call_may_begin(struct call *call)
{
    if (!call->api->limits->drains)
        return true;
    call_fail(call, ERR_UNAVAILABLE,
              "this server drains: it takes nothing new, as its store is about to be moved; ask again later");
    return false;
}

void call_fail_with(struct call *call, int err, const char *detail, void (*add)(void *arg, struct json_writer *json),
                    void *arg)
{
    call_ref(call); // for `add`
    struct http_request *request = call_take_request(call);
    if (request)
        http_respond_error_with(request, err, detail, add, arg);
    call_unref(call);
}

void call_fail_fields(struct call *call, const struct http_field_error *fields, size_t count)
{
    struct http_request *request = call_take_request(call);
    if (request)
        http_respond_invalid(request, fields, count);
}

void call_say_front(struct call *call)
{
    if (call->execution.first_sequence > 0)
        http_add_header(
            call->request, "X-Runnel-First-Sequence",
            arena_printf(http_arena(call->request), "%llu", (unsigned long long)call->execution.first_sequence));
}

bool call_header_key(struct call *call, struct str *ret)
{
    *ret = http_header(call->request, STR("Idempotency-Key"));
    if (ret->len <= CALL_HEADER_KEY_MAX)
        return true;
    call_fail(call, ERR_MALFORMED, "Idempotency-Key is longer than 255 bytes");
    return false;
}

struct str call_idempotency_key(const struct call *call, struct str key, char out[CALL_KEY_MAX])
{
    struct str user = str_of(call->principal.role == ROLE_USER ? call->principal.user : "");
    size_t len = 0;
    if (key.len == 0)
        return (struct str){0};
    if (user.len > 0) {
        memcpy(out, user.data, user.len);
        out[user.len] = '\n'; // neither of the two has one, so that no two pairs look the same
        len = user.len + 1;
    }
    memcpy(out + len, key.data, key.len);
    return str_n(out, len + key.len);
}

bool call_follower_place(struct call *call)
{
    if (places_take(call->api->options.followers, call->principal.account, call->api->limits->followers_max))
        return true;
    call_fail(call, ERR_RATE, "the account has as many followers as it may");
    return false;
}
