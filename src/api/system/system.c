// Health, readiness, metrics, backup.
#include "api/system/system.h"

#include "api/system/readiness.h"
#include "metrics/process.h"

#define HELD_UP "see what locks its tables or holds up its disk (docs/runbook.md)"

void system_health(struct call *call)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    json_open_object(&json, NULL);
    json_add_text(&json, "status", "ok");
    json_add_text(&json, "version", RUNNEL_VERSION);
    json_close(&json);
    call_answer(call, 200, &json);
}

struct ready {
    struct readiness_ask ask;
    struct call *call;
};

// What the server can be without for a while: logs are taken and shown all the same.
static void add_away(struct call *call, struct json_writer *json)
{
    char files[BLOB_REASON_MAX + 1], logs[BLOB_REASON_MAX + 1];
    struct blob_store *blobs = call->api->options.blobs;
    struct object_store *cold = call->api->options.cold;
    bool files_away = blobs && blob_away(blobs, files);
    bool logs_away = cold && cold->vtable->away(cold, logs);
    const char *bus_away = store_bus_away(call->api->options.store);
    CLEANUP(buf_release) struct buf stores = {0};
    bool stores_away = store_away(call->api->options.store, &stores);
    if (!files_away && !logs_away && !bus_away && !stores_away)
        return;
    json_open_object(json, "away");
    if (files_away)
        json_add_text(json, "artifacts", files);
    if (logs_away)
        json_add_text(json, "cold", logs);
    if (bus_away)
        json_add_text(json, "bus", bus_away);
    if (stores_away)
        json_add_text(json, "shards", buf_cstr(&stores));
    json_close(json);
}

// Why it cannot be said to take records now, in `out`; else nothing.
static void add_lack(struct store *store, int err, struct buf *out)
{
    struct store_stats stats;
    store_stats(store, &stats);
    if (err == ERR_TIMEOUT)
        buf_printf(out, "the store does not answer: what it is asked waits for %u s or more; " HELD_UP,
                   STORE_PATIENCE_MS / 1000);
    else if (err < 0)
        buf_printf(out, "the store cannot be read: %s", error_text(err));
    else if (stats.write_error < 0)
        buf_printf(out, "the store cannot be written: %s", error_text(stats.write_error));
    else if (stats.commit_age_ns > STORE_COMMIT_AGE_MAX_NS)
        buf_printf(out, "the store does not write: a commit waits for %llu s; " HELD_UP,
                   (unsigned long long)(stats.commit_age_ns / 1000000000));
}

static void ready_told(struct readiness_ask *ask, int err)
{
    struct ready *it = CONTAINER_OF(ask, struct ready, ask);
    struct call *call = it->call;
    CLEANUP(buf_release) struct buf lack = {0};
    add_lack(call->api->options.store, err, &lack);
    if (call->api->draining) {
        call_fail(call, ERR_SHUTTING_DOWN, NULL);
    } else if (lack.len > 0) {
        call_fail(call, ERR_UNAVAILABLE, buf_cstr(&lack));
    } else {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_add_text(&json, "status", "ready");
        if (call->api->limits->drains)
            json_add_bool(&json, "draining", true);
        add_away(call, &json);
        json_close(&json);
        call_answer(call, 200, &json);
    }
    free(it);
    call_unref(call);
}

void system_ready(struct call *call)
{
    struct ready *it = xcalloc(1, sizeof(*it));
    *it = (struct ready){.ask.told = ready_told, .call = call};
    call_ref(call);
    readiness_ask(call->api->readiness, &it->ask);
}

void system_metrics(struct call *call)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct api *api = call->api;

    api->options.collect(api->options.collect_arg);
    metrics_export(api->options.metrics, &text);
    process_metrics_export(&text);
    struct http_request *request = call_take_request(call);
    http_may_compress(request);
    http_respond(request, 200, "text/plain; version=0.0.4; charset=utf-8", text.data, text.len);
}

struct backup {
    struct store_backup backup;
    struct call *call;
    char *name;
};

static void add_others(struct json_writer *json, const struct store_backup *backup)
{
    json_open_array(json, "others");
    for (unsigned i = 1; i <= backup->ret_others; i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s.%u", backup->ret_path, i);
        json_add_text(json, NULL, path);
    }
    json_close(json);
}

static void backup_done(struct store_op *op)
{
    struct backup *it = CONTAINER_OF(op, struct backup, backup.op);

    if (op->err == 0) {
        CLEANUP(buf_release) struct buf text = {0};
        struct json_writer json = json_writer_to(&text);
        json_open_object(&json, NULL);
        json_add_text(&json, "path", it->backup.ret_path);
        if (it->backup.ret_others > 0)
            add_others(&json, &it->backup);
        json_close(&json);
        call_answer(it->call, 201, &json);
    } else if (op->err == ERR_INVALID) {
        call_fail_fields(it->call, &(struct http_field_error){"path", it->backup.ret_reason}, 1);
    } else {
        call_fail(it->call, op->err, it->backup.ret_reason);
    }
    call_unref(it->call);
    store_op_release(op);
    free(it->name);
    free(it);
}

// Returns the part of the path beneath the folder of backups; NULL for a path elsewhere.
static const char *beneath(const char *folder, const char *path)
{
    size_t len = strlen(folder);
    if (path[0] != '/')
        return path;
    return strncmp(path, folder, len) == 0 && path[len] == '/' ? path + len + 1 : "";
}

void system_backup(struct call *call)
{
    const char *folder = call->api->options.backup_dir;
    struct str path = call_member(call, "path").text;
    bool whole = !str_find(path, '\0');
    const char *name = whole ? beneath(folder, path.data) : "";
    if (!*name) {
        CLEANUP(free_ptr) char *reason = xasprintf("must name a file beneath %s (the setting backup_dir)", folder);
        call_fail_fields(call, &(struct http_field_error){"path", reason}, 1);
        return;
    }
    struct backup *it = xcalloc(1, sizeof(*it));
    it->call = call;
    it->name = xstrdup(name);
    it->backup = (struct store_backup){
        .folder = str_of(folder),
        .name = str_of(it->name),
    };
    call_submit(call, STORE_BACKUP, &it->backup.op, backup_done);
}
