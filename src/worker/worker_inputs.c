// The files that a job takes: brought into its folder, by way of the cache, before its runner is started. They come
// with the job's own credential.
#include "model/artifact.h"
#include "util/beneath.h"
#include "util/file.h"
#include "util/id.h"
#include "worker/cache.h"
#include "worker/worker_private.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define FIRST_RETRY_MS 500
#define RETRY_MAX_MS   30000
#define STALLS_MAX     10   // refusals in a row by a server that answers
#define HOLD_AFTER_MS  2000 // a job whose inputs take longer is held by a stream, so that it is not lost meanwhile

struct worker_inputs { // the pool works on it; it outlives the owner if that goes first
    struct job job;
    const struct worker_inputs_events *events; // NULL: the owner has gone
    void *arg;
    struct worker *worker;
    json_t *message;   // a copy of our own
    char *dir, *begun; // what becomes of it, and what it is called until then
    struct client_options server;
    atomic_bool abort;
    bool running;
    struct timer *retry, *hold_timer, *over_timer;
    struct worker_hold *hold; // or NULL
    uint64_t retry_ms;
    unsigned stalls;
    struct buf cancelled; // why, if it was cancelled meanwhile; else empty
    bool refused;         // the server does not want it from us any more
    // Of the present try:
    struct client *client;
    int err;
    struct buf reason;
};

// --- In the pool

static const char *member(const json_t *object, const char *name)
{
    const char *value = json_string_value(json_object_get(object, name));
    return value ? value : "";
}

static int fetch(void *arg, int fd, const struct content *content, struct buf *ret_text)
{
    struct worker_inputs *inputs = arg;
    const char *name = NULL;
    json_t *input;
    size_t i;
    json_array_foreach(json_object_get(json_object_get(inputs->message, "spec"), "inputs"), i, input)
    {
        if (strcmp(member(input, "sha256"), content->hash) == 0)
            name = member(input, "name");
    }
    CLEANUP(buf_release) struct buf path = {0};
    int err = inputs->client ? 0 : client_new(&inputs->server, &inputs->client);
    if (err < 0 || !name)
        return err < 0 ? err : ERR_NOT_FOUND;
    buf_printf(&path, "/api/v1/executions/%s/inputs/", member(inputs->message, "execution_id"));
    content_append_name(&path, name);
    return content_fetch(inputs->client, buf_cstr(&path), fd, content, ret_text);
}

// Opens the folder that the file lies in; those between are the job's own.
static int open_parent(const struct worker *worker, int work_fd, const char *name, const char **ret_last)
{
    int parent = beneath_open_parent(work_fd, name, 0700, ret_last);
    for (const char *slash = strchr(name, '/'); parent >= 0 && worker->has_user && slash;
         slash = strchr(slash + 1, '/')) {
        CLEANUP(free_ptr) char *folder = xstrndup(name, (size_t)(slash - name));
        if (fchownat(work_fd, folder, worker->user.uid, worker->user.gid, AT_SYMLINK_NOFOLLOW) < 0) {
            close_fd(&parent);
            return -errno;
        }
    }
    return parent;
}

static int give(const struct worker *worker, int fd, mode_t mode)
{
    if (fchmod(fd, mode) < 0 || (worker->has_user && fchown(fd, worker->user.uid, worker->user.gid) < 0))
        return -errno;
    return 0;
}

static int place(struct worker_inputs *inputs, int work_fd, const json_t *input)
{
    const char *name = member(input, "name"), *hash = member(input, "sha256"), *last;
    const char *script = member(json_object_get(inputs->message, "spec"), "script_filename");
    struct content content = {.size = (uint64_t)json_integer_value(json_object_get(input, "size"))};
    mode_t mode = (mode_t)json_integer_value(json_object_get(input, "mode")) & ARTIFACT_MODE_MAX;
    if (artifact_name_problem(str_of(name)) || !content_hash_valid(str_of(hash)))
        return ERR_INVALID;
    snprintf(content.hash, sizeof(content.hash), "%s", hash);
    CLEANUP(close_fd) int parent = open_parent(inputs->worker, work_fd, name, &last);
    if (parent < 0)
        return parent;
    CLEANUP(close_fd) int fd = openat(parent, last, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = cache_copy(inputs->worker->cache, &content, fd, fetch, inputs, &inputs->reason);
    return err < 0 ? err : give(inputs->worker, fd, mode | (strcmp(name, script) == 0 ? 0500 : 0400));
}

static int place_all(struct worker_inputs *inputs, int work_fd)
{
    const json_t *all = json_object_get(json_object_get(inputs->message, "spec"), "inputs");
    for (size_t i = 0; i < json_array_size(all); i++) {
        const json_t *input = json_array_get(all, i);
        int err = atomic_load(&inputs->abort) ? ERR_CANCELED : place(inputs, work_fd, input);
        if (err == 0)
            continue;
        CLEANUP(buf_release) struct buf why = inputs->reason;
        inputs->reason = (struct buf){0};
        buf_printf(&inputs->reason, "its input %s cannot be had: %s", member(input, "name"),
                   why.len > 0 ? buf_cstr(&why) : error_text(err));
        return err;
    }
    return 0;
}

// What is there already comes from the cache, so each try begins with an empty folder.
static void work(struct job *job)
{
    struct worker_inputs *inputs = CONTAINER_OF(job, struct worker_inputs, job);
    CLEANUP(free_ptr) char *folder = xasprintf("%s/" JOB_WORK, inputs->begun);
    buf_reset(&inputs->reason);
    dir_remove_all(inputs->begun);
    int err = worker_spec_folder(inputs->worker, inputs->begun);
    if (err == 0 && mkdir(folder, 0700) < 0)
        err = -errno;
    CLEANUP(close_fd) int work_fd = err < 0 ? -1 : open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (err == 0)
        err = work_fd < 0 ? -errno : place_all(inputs, work_fd);
    client_free(&inputs->client);
    if (err < 0 && inputs->reason.len == 0)
        buf_append_text(&inputs->reason, error_text(err));
    inputs->err = err;
}

// --- Its life

static void inputs_free(struct worker_inputs *inputs)
{
    dir_remove_all(inputs->begun); // it has another name if a job has become of it
    json_decref(inputs->message);
    buf_release(&inputs->reason);
    buf_release(&inputs->cancelled);
    free(inputs->begun);
    free(inputs->dir);
    free(inputs);
}

void worker_inputs_free(struct worker_inputs **inputs_ptr)
{
    struct worker_inputs *inputs = TAKE_PTR(*inputs_ptr);
    if (!inputs)
        return;
    atomic_store(&inputs->abort, true);
    inputs->events = NULL;
    timer_free(&inputs->retry);
    timer_free(&inputs->hold_timer);
    timer_free(&inputs->over_timer);
    worker_hold_free(&inputs->hold);
    if (!inputs->running)
        inputs_free(inputs);
}

// The folder gets its last file and its name.
static void finish(struct worker_inputs *inputs)
{
    struct worker *worker = inputs->worker;
    bool cancelled = inputs->cancelled.len > 0;
    const struct worker_refusal refusal = {buf_cstr(cancelled ? &inputs->cancelled : &inputs->reason),
                                           cancelled ? "cancelled" : NULL};
    worker_hold_free(&inputs->hold);
    CLEANUP(close_fd) int dir_fd = open(inputs->begun, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int err = dir_fd < 0 ? -errno : 0;
    if (err == 0)
        err = worker_spec_finish(worker, inputs->message, dir_fd, inputs->err < 0 ? &refusal : NULL);
    if (err == 0 && rename(inputs->begun, inputs->dir) < 0)
        err = errno == ENOTEMPTY || errno == EEXIST ? ERR_CONFLICT : -errno;
    inputs->events->prepared(inputs->arg, err, json_object_get(inputs->message, "secrets"));
}

static void try_later(struct worker_inputs *inputs)
{
    inputs->stalls = inputs->err == ERR_UNREACHABLE || inputs->err == ERR_CANCELED ? 0 : inputs->stalls + 1;
    if (inputs->stalls >= STALLS_MAX) {
        finish(inputs);
        return;
    }
    timer_start(inputs->retry, inputs->retry_ms);
    inputs->retry_ms = MIN(inputs->retry_ms * 2, (uint64_t)RETRY_MAX_MS);
}

static bool is_over(const struct worker_inputs *inputs)
{
    return inputs->cancelled.len > 0 || inputs->refused;
}

// Not within what tells of it: it frees the stream.
static void on_over(void *arg)
{
    struct worker_inputs *inputs = arg;
    if (inputs->running)
        return;
    if (inputs->refused)
        inputs->events->refused(inputs->arg);
    else
        finish(inputs);
}

static void done(struct job *job)
{
    struct worker_inputs *inputs = CONTAINER_OF(job, struct worker_inputs, job);
    inputs->running = false;
    if (!inputs->events)
        inputs_free(inputs);
    else if (is_over(inputs))
        on_over(inputs);
    else if (inputs->err < 0 && content_may_retry(inputs->err))
        try_later(inputs);
    else
        finish(inputs);
}

static void begin(void *arg)
{
    struct worker_inputs *inputs = arg;
    struct pool *pool = worker_transfers(inputs->worker);
    inputs->job = (struct job){.reply_to = inputs->worker->loop, .work = work, .done = done};
    inputs->running = pool && pool_submit(pool, &inputs->job) == 0;
    if (!inputs->running)
        timer_start(inputs->retry, FIRST_RETRY_MS);
}

// --- While it lasts

static void end_early(struct worker_inputs *inputs)
{
    atomic_store(&inputs->abort, true);
    timer_stop(inputs->retry);
    timer_start(inputs->over_timer, 0);
}

static void on_cancel(void *arg, const char *reason)
{
    struct worker_inputs *inputs = arg;
    buf_reset(&inputs->cancelled);
    buf_append_text(&inputs->cancelled, reason && reason[0] ? reason : "it was cancelled");
    end_early(inputs);
}

static void on_refused(void *arg)
{
    struct worker_inputs *inputs = arg;
    inputs->refused = true;
    end_early(inputs);
}

static const struct worker_hold_events hold_events = {on_cancel, on_refused};

static void on_hold(void *arg)
{
    struct worker_inputs *inputs = arg;
    inputs->hold = worker_hold_new(inputs->worker, inputs->message, &hold_events, inputs);
}

bool worker_inputs_wanted(const json_t *message)
{
    bool refused = member(message, "refusal")[0]; // it will not be run
    return !refused && json_array_size(json_object_get(json_object_get(message, "spec"), "inputs")) > 0;
}

struct worker_inputs *worker_inputs_new(struct worker *worker, const json_t *message, const char *dir,
                                        const struct worker_inputs_events *events, void *arg)
{
    struct worker_inputs *inputs = xcalloc(1, sizeof(*inputs));
    CLEANUP(free_ptr) char *producer = xasprintf("job-%016llx", (unsigned long long)random_u64());
    inputs->events = events;
    inputs->arg = arg;
    inputs->dir = xstrdup(dir);
    inputs->worker = worker;
    inputs->message = json_deep_copy(message);
    json_object_set_new(inputs->message, "producer", json_string(producer));
    inputs->begun = xasprintf("%s/" INPUTS_PREFIX "%s.%016llx", worker->spools, member(message, "execution_id"),
                              (unsigned long long)random_u64());
    inputs->server = worker->options.server;
    inputs->server.abort = &inputs->abort;
    if (member(message, "token")[0])
        inputs->server.token = member(inputs->message, "token");
    inputs->retry_ms = FIRST_RETRY_MS;
    inputs->retry = timer_new(worker->loop, begin, inputs);
    inputs->hold_timer = timer_new(worker->loop, on_hold, inputs);
    inputs->over_timer = timer_new(worker->loop, on_over, inputs);
    timer_start(inputs->hold_timer, HOLD_AFTER_MS);
    begin(inputs);
    return inputs;
}
