// Health, readiness, metrics, backup.
#include <stdio.h>

#include "api/call.h"

void system_health(struct call *call)
{
    CLEANUP(buf_release) struct buf json = {0};
    buf_append_text(&json, "{\"status\":\"ok\",\"version\":\"" RUNNEL_VERSION "\"}");
    call_answer_json(call, 200, &json);
}

struct ready {
    struct store_count_open query;
    struct call *call;
};

static void ready_done(struct store_op *op)
{
    struct ready *it = CONTAINER_OF(op, struct ready, query.op);
    struct call *call = it->call;
    struct store_stats stats;
    CLEANUP(buf_release) struct buf json = {0};

    store_stats(call->api->options.store, &stats);
    if (op->err == 0 && stats.writable && !call->api->draining) {
        buf_append_text(&json, "{\"status\":\"ready\"}");
        call_answer_json(call, 200, &json);
    } else {
        call_fail(call, call->api->draining ? ERR_SHUTTING_DOWN : ERR_UNAVAILABLE,
                  !stats.writable ? "the store cannot be written to: is its disk full?" : NULL);
    }
    store_op_release(op);
    free(it);
    call_unref(call);
}

// Asks the store something, so that the answer tells that it answers.
void system_ready(struct call *call)
{
    struct ready *it = xcalloc(1, sizeof *it);
    it->call = call;
    it->query = (struct store_count_open){
        .op = {.kind = STORE_COUNT_OPEN, .reply_to = call->api->options.loop, .done = ready_done},
    };
    call_ref(call);
    store_submit(call->api->options.store, &it->query.op);
}

void system_metrics(struct call *call)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct api *api = call->api;

    api->options.collect(api->options.collect_arg);
    metrics_export(api->options.metrics, &text);
    struct http_request *request = call_take_request(call);
    http_respond(request, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
}

struct backup {
    struct store_backup backup;
    struct call *call;
    char *path;
};

static void backup_done(struct store_op *op)
{
    struct backup *it = CONTAINER_OF(op, struct backup, backup.op);

    if (op->err == 0) {
        CLEANUP(buf_release) struct buf json = {0};
        buf_append_text(&json, "{\"path\":");
        buf_append_json_string(&json, str_of(it->path));
        buf_append_byte(&json, '}');
        call_answer_json(it->call, 201, &json);
    } else if (op->err == ERR_INVALID) {
        call_fail_fields(it->call, &(struct http_field_error){"path", it->backup.ret_reason}, 1);
    } else {
        call_fail(it->call, op->err,
                  op->err == ERR_CONFLICT ? "the file exists already; name a new one" : it->backup.ret_reason);
    }
    call_unref(it->call);
    store_op_release(op);
    free(it->path);
    free(it);
}

void system_backup(struct call *call)
{
    static const char *const known[] = {"path", NULL};
    json_t *body = call_json_object(call);
    if (!body)
        return;
    if (!call_json_known(call, body, known)) {
        json_decref(body);
        return;
    }
    const char *path = json_string_value(json_object_get(body, "path"));
    struct http_field_error error = {"path", "must be an absolute path on the server's machine, at most 4,000 bytes"};
    if (!path || path[0] != '/' || strlen(path) > 4000) {
        call_fail_fields(call, &error, 1);
    } else {
        struct backup *it = xcalloc(1, sizeof *it);
        it->call = call;
        it->path = xstrdup(path);
        it->backup = (struct store_backup){
            .op = {.kind = STORE_BACKUP, .reply_to = call->api->options.loop, .done = backup_done},
            .path = str_of(it->path),
        };
        call_ref(call);
        store_submit(call->api->options.store, &it->backup.op);
    }
    json_decref(body);
}
