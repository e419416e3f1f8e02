// The container of a job whose runner has died.
#include "worker/worker_private.h"

#define AGAIN_MS  1000
#define TRIES_MAX 30 // while its engine does not answer

struct worker_clear {
    struct worker_job *job;
    char *socket;              // of the engine that its job.json names
    struct leftover *leftover; // or NULL
    struct timer *again;
    unsigned tries;
    void (*done)(struct worker_job *job);
};

static void on_cleared(void *arg, int err, unsigned removed)
{
    struct worker_clear *clear = arg;
    struct worker_job *job = clear->job;
    const struct logger *logger = job->worker->options.logger;
    leftover_free(&clear->leftover);
    if (err < 0 && ++clear->tries < TRIES_MAX) {
        timer_start(clear->again, AGAIN_MS);
        return;
    }
    job->container_left = err < 0;
    if (err < 0)
        log_warn(logger, "what a job left in the container engine cannot be removed yet",
                 LOG_S("execution_id", job->id), LOG_S("reason", error_text(err)));
    else if (removed > 0)
        log_warn(logger, "the container of a job whose runner has died was killed and removed",
                 LOG_S("execution_id", job->id));
    clear->done(job);
}

static void begin(void *arg)
{
    static const struct leftover_events events = {NULL, on_cleared};
    struct worker_clear *clear = arg;
    struct worker_job *job = clear->job;
    const struct engine engine = {.loop = job->worker->loop, .socket = clear->socket};
    const struct leftover_scope scope = {
        .folder = job->worker->engine.folder, .worker = job->worker->instance, .execution_id = job->id};
    clear->leftover = leftover_remove(&engine, &scope, &events, clear);
}

bool worker_job_clears(struct worker_job *job, void (*done)(struct worker_job *job))
{
    CLEANUP(job_file_release) struct job_file file = {0};
    if (job->clear || job_file_load(job->dir_fd, &file) < 0 || !file.image)
        return false;
    struct worker_clear *clear = xcalloc(1, sizeof(*clear));
    job->clear = clear;
    clear->job = job;
    clear->socket = xstrdup(file.container_socket);
    clear->done = done;
    clear->again = timer_new(job->worker->loop, begin, clear);
    begin(clear);
    return true;
}

void worker_clear_free(struct worker_clear **clear_ptr)
{
    struct worker_clear *clear = TAKE_PTR(*clear_ptr);
    if (!clear)
        return;
    leftover_free(&clear->leftover);
    timer_free(&clear->again);
    free(clear->socket);
    free(clear);
}
