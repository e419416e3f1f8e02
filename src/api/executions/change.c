// Executions: change, cancel, purge.
#include "api/body.h"
#include "api/executions/executions.h"
#include "model/config_limits.h"

#define FIELDS_MAX    24
#define CANCEL_REASON "cancelled by request"

struct patch {
    struct store_update update;
    struct call *call;
    char *metadata; // the patch, or NULL
};

static struct patch *patch_new(struct call *call)
{
    struct patch *it = xcalloc(1, sizeof *it);
    it->call = call;
    it->update.op = (struct store_op){
        .kind = STORE_UPDATE, .reply_to = call->api->options.loop, .account = call->principal.account};
    it->update.row = call->execution.row;
    call_ref(call);
    return it;
}

static void patch_submit(struct patch *it, void (*done)(struct store_op *op))
{
    it->update.op.done = done;
    store_submit(it->call->api->options.store, &it->update.op);
}

static void patch_free(struct patch *it)
{
    struct call *call = it->call;
    free(it->metadata);
    free(it);
    call_unref(call);
}

static void patch_done(struct store_op *op)
{
    struct patch *it = CONTAINER_OF(op, struct patch, update.op);

    if (op->err == 0 && it->update.has_outcome && it->update.ret_execution.sealed)
        hub_fenced(it->call->api->options.hub, it->update.row);
    if (op->err == ERR_TOO_LARGE)
        call_fail_fields(it->call, &(struct http_field_error){"metadata", METADATA_TOO_LARGE}, 1);
    else if (op->err)
        call_fail(it->call, op->err, NULL);
    else
        call_answer_execution(it->call, 200, &it->update.ret_execution);
    store_op_release(op);
    patch_free(it);
}

static const char *patch_metadata(struct patch *it, const json_t *value)
{
    const char *wrong = metadata_check(value);
    if (!wrong)
        it->metadata = json_text(value);
    return wrong;
}

static const char *patch_member(struct patch *it, const char *name, json_t *value)
{
    if (strcmp(name, "status") == 0) {
        const char *word = json_string_value(value);
        it->update.has_outcome = true;
        if (!word || !status_parse(str_of(word), &it->update.outcome.status))
            return "is not a status";
        return it->update.outcome.status == STATUS_LOST ? "is set by the server alone" : NULL;
    }
    if (strcmp(name, "exit_code") == 0) {
        json_int_t code = json_integer_value(value);
        it->update.outcome.has_exit_code = true;
        it->update.outcome.exit_code = (int)code;
        return json_is_integer(value) && code >= 0 && code <= 255 ? NULL : "must be 0 to 255";
    }
    if (strcmp(name, "pin") == 0) {
        it->update.has_pin = true;
        it->update.pin = json_is_true(value);
        return json_is_boolean(value) ? NULL : "must be true or false";
    }
    if (strcmp(name, "metadata") == 0)
        return patch_metadata(it, value);
    return "is not known";
}

static bool patch_parse(struct patch *it, json_t *body)
{
    struct http_field_error errors[FIELDS_MAX];
    size_t count = 0;
    const char *name;
    json_t *value;

    json_object_foreach(body, name, value)
    {
        const char *reason = patch_member(it, name, value);
        if (reason && count < FIELDS_MAX)
            errors[count++] = (struct http_field_error){name, reason};
    }
    if (count == 0 && it->update.outcome.has_exit_code && !it->update.has_outcome)
        errors[count++] = (struct http_field_error){"exit_code", "comes with the status that it belongs to"};
    if (count)
        call_fail_fields(it->call, errors, count);
    return count == 0;
}

void executions_patch(struct call *call)
{
    json_t *body = call_json_object(call);
    if (!body)
        return;
    struct patch *it = patch_new(call);
    bool good = patch_parse(it, body);
    json_decref(body);
    if (!good) {
        patch_free(it);
        return;
    }
    it->update.outcome.cause = OUTCOME_TOLD;
    it->update.metadata_patch = str_of(it->metadata);
    it->update.metadata_max = LIMIT_METADATA;
    patch_submit(it, patch_done);
}

// --- Cancelling and purging

struct purge {
    struct store_purge purge;
    struct call *call;
};

static void purge_done(struct store_op *op)
{
    struct purge *it = CONTAINER_OF(op, struct purge, purge.op);
    struct call *call = it->call;

    if (op->err) {
        call_fail(call, op->err, op->err == ERR_CONFLICT ? "only a sealed execution can be purged" : NULL);
    } else if (call->request) {
        CLEANUP(buf_release) struct buf json = {0};
        buf_printf(&json, "{\"execution_id\":\"%s\",\"purged\":true}", call->execution.execution_id);
        call_answer_json(call, 200, &json);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

static void executions_purge(struct call *call)
{
    if (!role_may(call->principal.role, ACTION_PURGE)) {
        call_fail(call, ERR_FORBIDDEN, "purging needs the role admin");
        return;
    }
    struct purge *it = xcalloc(1, sizeof *it);
    it->call = call;
    it->purge = (struct store_purge){
        .op = {.kind = STORE_PURGE,
               .reply_to = call->api->options.loop,
               .done = purge_done,
               .account = call->principal.account},
        .row = call->execution.row,
    };
    call_ref(call);
    store_submit(call->api->options.store, &it->purge.op);
}

static void cancel_done(struct store_op *op)
{
    struct patch *it = CONTAINER_OF(op, struct patch, update.op);
    struct hub *hub = it->call->api->options.hub;
    const struct execution *execution = &it->update.ret_execution;

    if (op->err) {
        call_fail(it->call, op->err, NULL);
    } else if (status_terminal(execution->status) || execution->sealed) { // now, or before
        if (execution->sealed)
            hub_fenced(hub, it->update.row);
        call_answer_execution(it->call, 200, execution);
    } else {
        hub_cancel(hub, it->update.row, CANCEL_REASON);
        call_answer_execution(it->call, 202, execution);
    }
    store_op_release(op);
    patch_free(it);
}

static void executions_cancel(struct call *call)
{
    struct patch *it = patch_new(call);
    it->update.has_outcome = true;
    it->update.outcome.cause = OUTCOME_CANCELLED;
    it->update.cancel_reason = STR(CANCEL_REASON);
    patch_submit(it, cancel_done);
}

void executions_delete(struct call *call)
{
    struct str purge = {0};
    if (http_param(call->request, STR("purge"), &purge) && !str_eq(purge, STR("true")) &&
        !str_eq(purge, STR("false"))) {
        call_fail(call, ERR_MALFORMED, "parameter purge: must be true or false");
        return;
    }
    if (str_eq(purge, STR("true"))) {
        executions_purge(call);
        return;
    }
    if (status_terminal(call->execution.status) || call->execution.sealed) {
        call_answer_execution(call, 200, &call->execution);
        return;
    }
    executions_cancel(call);
}
