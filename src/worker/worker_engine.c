// The container engine of this machine: whether there is one now, and what dead runners have left in it.
#include "runner/container/container.h"
#include "runner/container/registry.h"
#include "worker/worker_private.h"

#include <unistd.h>

#define LOOK_MS   5000 // between two looks whether it is (still) there
#define ANSWER_MS 10000
#define UNIX      "unix://"

struct engine worker_engine_of(const struct worker *worker)
{
    const struct worker_engine *engine = &worker->engine;
    return (struct engine){.loop = worker->loop, .socket = engine->available ? engine->sockets[engine->at] : NULL};
}

// --- Where one may be

static void add_socket(struct worker_engine *engine, char *path)
{
    engine->sockets[engine->socket_count++] = path;
}

static void find_sockets(struct worker *worker)
{
    struct worker_engine *engine = &worker->engine;
    const char *told = worker->options.container_socket, *host = getenv("DOCKER_HOST");
    const char *runtime_dir = getenv("XDG_RUNTIME_DIR");
    const char *path = told && told[0] ? told : host && host[0] ? host : NULL;
    if (path && strcmp(path, "none") == 0)
        return;
    if (path && (path[0] == '/' || strncmp(path, UNIX, strlen(UNIX)) == 0)) {
        add_socket(engine, xstrdup(path[0] == '/' ? path : path + strlen(UNIX)));
        return;
    }
    if (path) {
        log_warn(worker->options.logger,
                 "no containers: their engine must listen on a Unix socket of this machine, as it mounts folders of it",
                 LOG_S("container_socket", path));
        return;
    }
    if (runtime_dir && runtime_dir[0] == '/') // one that belongs to our user
        add_socket(engine, xasprintf("%s/podman/podman.sock", runtime_dir));
    if (runtime_dir && runtime_dir[0] == '/')
        add_socket(engine, xasprintf("%s/docker.sock", runtime_dir));
    add_socket(engine, xstrdup("/run/docker.sock"));
    add_socket(engine, xstrdup("/run/podman/podman.sock"));
}

// --- What is left in it

static bool is_wanted(void *arg, const char *execution_id, uint64_t epoch)
{
    const struct worker *worker = arg;
    struct map_node *node = map_find(&worker->jobs, str_of(execution_id));
    const struct worker_job *job = node ? CONTAINER_OF(node, struct worker_job, node) : NULL;
    // The epoch of a job of an earlier worker is that of its file.
    return job && job->state < JOB_ENDED && (job->epoch == epoch || job->epoch == 0);
}

static void set_available(struct worker *worker, bool available)
{
    if (worker->engine.available == available)
        return;
    worker->engine.available = available;
    log_info(worker->options.logger,
             available ? "jobs can run in containers" : "the container engine does not answer; no jobs with images",
             LOG_S("socket", worker->engine.sockets[worker->engine.at]));
    worker_link_renew(worker->link);
}

// Only then are jobs taken for it: one may be the next attempt of what was left.
static void on_swept(void *arg, int err, unsigned removed)
{
    struct worker *worker = arg;
    leftover_free(&worker->engine.leftover);
    if (worker->engine.answers)
        set_available(worker, true);
    if (removed > 0)
        log_warn(worker->options.logger, "containers that nobody looked after any more were removed",
                 LOG_I("containers", removed));
    if (err < 0)
        log_warn(worker->options.logger, "containers that are left over cannot be removed yet",
                 LOG_S("reason", error_text(err)));
}

static void sweep(struct worker *worker)
{
    static const struct leftover_events events = {is_wanted, on_swept};
    const struct engine engine = {.loop = worker->loop, .socket = worker->engine.sockets[worker->engine.at]};
    const struct leftover_scope scope = {.folder = worker->engine.folder, .worker = worker->instance};
    if (!worker->engine.leftover)
        worker->engine.leftover = leftover_remove(&engine, &scope, &events, worker);
}

// --- Whether it is there

static void look_later(struct worker *worker)
{
    timer_start(worker->engine.tick, LOOK_MS);
}

// A rootless engine maps its root to our user. Another one is to run them as the user of our jobs, so that what they
// leave in their folders is ours to deliver and to remove.
static void choose_user(struct worker *worker)
{
    uid_t uid = worker->has_user ? worker->user.uid : geteuid();
    gid_t gid = worker->has_user ? worker->user.gid : getegid();
    free(worker->engine.user);
    worker->engine.user = worker->engine.rootless ? xstrdup("0:0") : xasprintf("%u:%u", uid, gid);
}

static bool is_rootless(const json_t *info)
{
    const json_t *options = json_object_get(info, "SecurityOptions");
    for (size_t i = 0; i < json_array_size(options); i++) {
        const char *text = json_string_value(json_array_get(options, i));
        if (text && strstr(text, "rootless"))
            return true;
    }
    return false;
}

static void on_info(void *arg, const struct engine_answer *answer)
{
    struct worker *worker = arg;
    engine_call_free(&worker->engine.call);
    look_later(worker);
    if (answer->err < 0)
        return;
    worker->engine.rootless = is_rootless(answer->root);
    choose_user(worker);
    worker->engine.answers = true;
    sweep(worker);
}

static void look(void *arg);

static void on_ping(void *arg, const struct engine_answer *answer)
{
    struct worker *worker = arg;
    struct worker_engine *engine = &worker->engine;
    const struct engine here = {.loop = worker->loop, .socket = engine->sockets[engine->at]};
    engine_call_free(&engine->call);
    if (answer->err == 0) {
        engine->silent = 0;
        engine->call = engine_ask(&here, "GET", "/info", (struct str){0}, ANSWER_MS, on_info, worker);
        return;
    }
    engine->answers = false;
    set_available(worker, false);
    engine->at = (engine->at + 1) % engine->socket_count;
    if (++engine->silent < engine->socket_count) {
        look(worker);
        return;
    }
    engine->silent = 0;
    look_later(worker);
}

static void look(void *arg)
{
    struct worker *worker = arg;
    const struct engine here = {.loop = worker->loop, .socket = worker->engine.sockets[worker->engine.at]};
    worker->engine.call = engine_ask(&here, "GET", "/_ping", (struct str){0}, ANSWER_MS, on_ping, worker);
}

// Each pull reads the file anew. This only says early what would be said in the log of a job.
void worker_engine_look_at_logins(const struct worker *worker)
{
    const char *path = worker->options.registry_auth;
    CLEANUP(buf_release) struct buf reason = {0};
    if (!path)
        return;
    struct registry_file *file = registry_file_load(path, &reason);
    if (file)
        log_info(worker->options.logger, "logins for registries were read", LOG_S("file", path),
                 LOG_I("registries", registry_file_count(file)));
    else
        log_error(worker->options.logger, "the file of logins for registries cannot be used; images are pulled without",
                  LOG_S("file", path), LOG_S("reason", buf_cstr(&reason)));
    registry_file_free(&file);
}

void worker_engine_start(struct worker *worker)
{
    struct worker_engine *engine = &worker->engine;
    worker_engine_look_at_logins(worker);
    char *folder = realpath(worker->options.state_dir, NULL);
    engine->folder = folder ? folder : xstrdup(worker->options.state_dir);
    find_sockets(worker);
    if (engine->socket_count == 0)
        return;
    engine->tick = timer_new(worker->loop, look, worker);
    look(worker);
}

void worker_engine_stop(struct worker *worker)
{
    struct worker_engine *engine = &worker->engine;
    engine_call_free(&engine->call);
    leftover_free(&engine->leftover);
    timer_free(&engine->tick);
    for (size_t i = 0; i < engine->socket_count; i++)
        free(engine->sockets[i]);
    free(engine->user);
    free(engine->folder);
}
