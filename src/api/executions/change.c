// Changes, cancels and purges executions.
#include "api/body.h"
#include "api/executions/executions.h"
#include "api/workflows/waiting.h"
#include "model/config_limits.h"
#include "model/engine_state.h"

#define CANCEL_REASON "cancelled by request"
#define ENGINE_STATE  "engine_state" // in the metadata: the word of another engine that the status was told by

struct patch {
    struct store_update update;
    struct call *call;
    char *metadata;                                                                   // the patch, or NULL
    char *waiting;                                                                    // for what it waits, or NULL
    void (*answer)(struct call *call, int status, const struct execution *execution); // of a cancel
};

static struct patch *patch_new(struct call *call)
{
    struct patch *it = xcalloc(1, sizeof(*it));
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
    free(it->waiting);
    free(it);
    call_unref(call);
}

// A log that is still open has a runner that goes on, whatever the status says.
static void tell_runner(const struct patch *it)
{
    struct hub *hub = it->call->api->options.hub;
    if (it->update.ret_execution.sealed)
        hub_fenced(hub, it->update.row);
    else if (it->update.cancel_reason.len > 0)
        hub_cancel(hub, it->update.row, CANCEL_REASON);
}

// Of the status that the request has met; where another change came between, that says nothing.
static void fail_transition(struct call *call, enum execution_status to)
{
    enum execution_status from = call->execution.status;
    CLEANUP(buf_release) struct buf text = {0};
    if (status_may_become(from, to)) {
        call_fail(call, ERR_BAD_TRANSITION, NULL);
        return;
    }
    buf_printf(&text, "it is %s, and cannot become %s from there; it may become", status_word(from), status_word(to));
    const char *between = " ";
    for (int i = 0; i < STATUS_COUNT; i++) {
        if (i == (int)from || i == STATUS_LOST || !status_may_become(from, (enum execution_status)i))
            continue;
        buf_printf(&text, "%s%s", between, status_word((enum execution_status)i));
        between = ", ";
    }
    call_fail(call, ERR_BAD_TRANSITION, buf_cstr(&text));
}

static void patch_done(struct store_op *op)
{
    struct patch *it = CONTAINER_OF(op, struct patch, update.op);

    if (op->err == 0 && it->update.has_outcome)
        tell_runner(it);
    if (op->err == ERR_TOO_LARGE)
        call_fail_fields(it->call, &(struct http_field_error){"metadata", METADATA_TOO_LARGE}, 1);
    else if (op->err == ERR_BAD_TRANSITION)
        fail_transition(it->call, it->update.outcome.status);
    else if (op->err)
        call_fail(it->call, op->err, NULL);
    else
        call_answer_execution(it->call, 200, &it->update.ret_execution);
    store_op_release(op);
    patch_free(it);
}

static bool patch_take_waiting(struct patch *it, const json_t *waiting, const char *within)
{
    if (!call_take_waiting(it->call, waiting, within, &it->waiting, &it->update.waiting_until_ms))
        return false;
    it->update.waiting = str_of(it->waiting);
    return true;
}

// A word that is not ours is kept, and one that was kept goes with the next status.
static char *patch_metadata(const struct call *call, const json_t *metadata, struct field_value status)
{
    const char *before = call->execution.metadata_json;
    bool own = engine_state_is_own(status.text), said = json_object_get(metadata, ENGINE_STATE);
    bool word = status.given && !said && (!own || (before && strstr(before, "\"" ENGINE_STATE "\"")));
    if (!word)
        return metadata ? json_text(metadata) : NULL;
    json_t *patch = metadata ? json_copy((json_t *)(uintptr_t)metadata) : json_object();
    json_object_set_new(patch, ENGINE_STATE, own ? json_null() : json_stringn(status.text.data, status.text.len));
    char *text = json_text(patch);
    json_decref(patch);
    return text;
}

// Checks what the table cannot say about a single field. Returns false after it has answered 422.
static bool patch_take(struct patch *it, const struct call *call)
{
    struct field_value status = call_member(call, "status"), code = call_member(call, "exit_code");
    struct field_value pin = call_member(call, "pin"), ended = call_member(call, "completed_at");
    const json_t *metadata = json_object_get(call->body, "metadata"), *waiting = json_object_get(call->body, "waiting");
    struct store_update *update = &it->update;

    update->has_outcome = status.given && engine_state_status(status.text, &update->outcome.status);
    update->outcome.completed_ms = ended.number;
    update->outcome.has_exit_code = code.given;
    update->outcome.exit_code = (int)code.number;
    update->has_pin = pin.given;
    update->pin = pin.number;
    it->metadata = patch_metadata(call, metadata, status);
    if (update->has_outcome && update->outcome.status == STATUS_LOST)
        call_fail_fields(it->call, &(struct http_field_error){"status", "is set by the server alone"}, 1);
    else if (code.given && !status.given)
        call_fail_fields(it->call, &(struct http_field_error){"exit_code", "comes with the status that it belongs to"},
                         1);
    else if (ended.given && !(update->has_outcome && status_terminal(update->outcome.status)))
        call_fail_fields(it->call, &(struct http_field_error){"completed_at", "comes with a status that ends it"}, 1);
    else if (waiting && !(update->has_outcome && update->outcome.status == STATUS_WAITING))
        call_fail_fields(it->call, &(struct http_field_error){"waiting", "comes with the status `waiting`"}, 1);
    else
        return !waiting || patch_take_waiting(it, waiting, "waiting");
    return false;
}

void executions_patch(struct call *call)
{
    struct patch *it = patch_new(call);
    if (!patch_take(it, call)) {
        patch_free(it);
        return;
    }
    it->update.outcome.cause = OUTCOME_TOLD;
    if (it->update.has_outcome && it->update.outcome.status == STATUS_CANCELLED)
        it->update.cancel_reason = STR(CANCEL_REASON);
    it->update.metadata_patch = str_of(it->metadata);
    it->update.metadata_max = LIMIT_METADATA;
    patch_submit(it, patch_done);
}

// --- Waiting, as a run says of itself

static void wait_done(struct store_op *op)
{
    struct patch *it = CONTAINER_OF(op, struct patch, update.op);
    if (op->err == ERR_BAD_TRANSITION)
        fail_transition(it->call, it->update.outcome.status);
    else if (op->err)
        call_fail(it->call, op->err, NULL);
    else
        call_answer_waiting(it->call, &it->update.ret_execution, it->waiting);
    store_op_release(op);
    patch_free(it);
}

void executions_wait(struct call *call)
{
    struct patch *it = patch_new(call);
    if (!patch_take_waiting(it, call->body, NULL)) {
        patch_free(it);
        return;
    }
    it->update.epoch = call->principal.run_epoch;
    it->update.has_outcome = true;
    it->update.outcome = (struct outcome_ask){.cause = OUTCOME_TOLD, .status = STATUS_WAITING};
    patch_submit(it, wait_done);
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
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_add_text(&json, "execution_id", call->execution.execution_id);
        json_add_bool(&json, "purged", true);
        json_close(&json);
        call_answer(call, 200, &json);
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
    struct purge *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->purge.row = call->execution.row;
    call_submit(call, STORE_PURGE, &it->purge.op, purge_done);
}

static void cancel_done(struct store_op *op)
{
    struct patch *it = CONTAINER_OF(op, struct patch, update.op);
    const struct execution *execution = &it->update.ret_execution;

    if (op->err) {
        call_fail(it->call, op->err, NULL);
    } else {
        tell_runner(it);
        it->answer(it->call, execution->sealed ? 200 : 202, execution);
    }
    store_op_release(op);
    patch_free(it);
}

void executions_cancel(struct call *call,
                       void (*answer)(struct call *call, int status, const struct execution *execution))
{
    if (call->execution.sealed) {
        answer(call, 200, &call->execution);
        return;
    }
    struct patch *it = patch_new(call);
    it->answer = answer;
    it->update.has_outcome = true;
    it->update.outcome.cause = OUTCOME_CANCELLED;
    it->update.cancel_reason = STR(CANCEL_REASON);
    patch_submit(it, cancel_done);
}

void executions_delete(struct call *call)
{
    if (call_param(call, "purge").number) {
        executions_purge(call);
        return;
    }
    executions_cancel(call, call_answer_execution);
}
