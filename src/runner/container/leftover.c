#include "runner/container/leftover.h"

#include "runner/container/container.h"
#include "util/json_writer.h"

#define ANSWER_MS   10000
#define REMOVED_MAX 10000 // an engine that shows what it has removed is not asked for ever

struct leftover {
    struct engine engine;
    char *socket, *target; // of the list
    char *folder, *worker, *execution_id;
    struct engine_call *call;
    const struct leftover_events *events;
    void *arg;
    unsigned removed;
};

static void on_listed(void *arg, const struct engine_answer *answer);

static void list(struct leftover *leftover)
{
    engine_call_free(&leftover->call);
    leftover->call =
        engine_ask(&leftover->engine, "GET", leftover->target, (struct str){0}, ANSWER_MS, on_listed, leftover);
}

static void on_removed(void *arg, const struct engine_answer *answer)
{
    struct leftover *leftover = arg;
    bool gone = answer->err == 0 || answer->err == ERR_NOT_FOUND || answer->err == ERR_CONFLICT;
    if (gone && ++leftover->removed < REMOVED_MAX)
        list(leftover);
    else
        leftover->events->done(leftover->arg, gone ? ERR_OVERLOADED : answer->err, leftover->removed);
}

// What an engine makes of a filter is its own affair; this is what counts. A program before this one had no label of
// the worker.
static bool is_ours(const struct leftover *leftover, const json_t *labels)
{
    const char *folder = json_string_value(json_object_get(labels, CONTAINER_FOLDER));
    const char *worker = json_string_value(json_object_get(labels, CONTAINER_WORKER));
    const char *id = json_string_value(json_object_get(labels, CONTAINER_LABEL));
    return folder && strcmp(folder, leftover->folder) == 0 && (!worker || strcmp(worker, leftover->worker) == 0) &&
           id && (!leftover->execution_id || strcmp(id, leftover->execution_id) == 0);
}

// Whoever has made what is not ours, or makes no sense, looks after it.
static bool is_wanted(const struct leftover *leftover, const json_t *container)
{
    const json_t *labels = json_object_get(container, "Labels");
    const char *execution_id = json_string_value(json_object_get(labels, CONTAINER_LABEL));
    const char *epoch_text = json_string_value(json_object_get(labels, CONTAINER_EPOCH));
    uint64_t epoch = 0;
    if (!is_ours(leftover, labels) || !epoch_text || !str_to_u64(str_of(epoch_text), &epoch))
        return true;
    return leftover->events->wanted && leftover->events->wanted(leftover->arg, execution_id, epoch);
}

static const char *find_unwanted(const struct leftover *leftover, const json_t *containers)
{
    for (size_t i = 0; i < json_array_size(containers); i++) {
        const json_t *container = json_array_get(containers, i);
        const char *id = json_string_value(json_object_get(container, "Id"));
        if (id && container_id_valid(id) && !is_wanted(leftover, container))
            return id;
    }
    return NULL;
}

static void on_listed(void *arg, const struct engine_answer *answer)
{
    struct leftover *leftover = arg;
    const char *id = find_unwanted(leftover, answer->root);
    if (answer->err < 0 || !id) {
        leftover->events->done(leftover->arg, answer->err, leftover->removed);
        return;
    }
    CLEANUP(free_ptr) char *target = xasprintf("/containers/%s?force=true&v=true", id);
    engine_call_free(&leftover->call);
    leftover->call = engine_ask(&leftover->engine, "DELETE", target, (struct str){0}, ANSWER_MS, on_removed, leftover);
}

static char *list_target(const struct leftover_scope *scope)
{
    CLEANUP(free_ptr) char *folder = xasprintf(CONTAINER_FOLDER "=%s", scope->folder);
    CLEANUP(free_ptr)
    char *id = scope->execution_id ? xasprintf(CONTAINER_LABEL "=%s", scope->execution_id) : NULL;
    CLEANUP(buf_release) struct buf filters = {0};
    CLEANUP(buf_release) struct buf target = {0};
    struct json_writer json = json_writer_to(&filters);
    json_open_object(&json, NULL);
    json_open_array(&json, "label");
    json_add_text(&json, NULL, folder);
    if (id)
        json_add_text(&json, NULL, id);
    json_close(&json);
    json_close(&json);
    buf_append_text(&target, "/containers/json?all=true&filters=");
    engine_append_escaped(&target, buf_str(&filters));
    return buf_take(&target);
}

struct leftover *leftover_remove(const struct engine *engine, const struct leftover_scope *scope,
                                 const struct leftover_events *events, void *arg)
{
    struct leftover *leftover = xcalloc(1, sizeof(*leftover));
    leftover->socket = xstrdup(engine->socket);
    leftover->engine = (struct engine){.loop = engine->loop, .socket = leftover->socket};
    leftover->target = list_target(scope);
    leftover->folder = xstrdup(scope->folder);
    leftover->worker = xstrdup(scope->worker);
    leftover->execution_id = scope->execution_id ? xstrdup(scope->execution_id) : NULL;
    leftover->events = events;
    leftover->arg = arg;
    list(leftover);
    return leftover;
}

void leftover_free(struct leftover **leftover_ptr)
{
    struct leftover *leftover = TAKE_PTR(*leftover_ptr);
    if (!leftover)
        return;
    engine_call_free(&leftover->call);
    free(leftover->target);
    free(leftover->folder);
    free(leftover->worker);
    free(leftover->execution_id);
    free(leftover->socket);
    free(leftover);
}
