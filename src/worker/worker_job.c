// One job here: its beginning, and its runner for as long as there is one.
#include "util/file.h"
#include "worker/worker_private.h"

#include <errno.h>
#include <fcntl.h>

#define ADOPT_STEP_MS 2
#define ADOPT_MAX     2500 // looks; the runner has said that it ends, and does not hold its spool for long

static void on_adopt(void *arg);

// --- Its runner

static void heard_started(struct worker_job *job)
{
    int err = job->run.execution_id ? 0 : run_file_load(job->dir, &job->run);
    if (err == 0 && !job->spool)
        err = spool_attach(&(struct spool_options){.dir = job->dir, .bytes_max = UINT64_MAX}, &job->spool);
    if (err < 0) { // it is delivered when its runner is gone
        log_warn(worker_job_logger(job), "a job cannot be followed", LOG_S("execution_id", job->id),
                 LOG_S("reason", error_text(err)));
        return;
    }
    job->state = JOB_RUNNING;
    worker_job_deliver(job);
    worker_job_turn_soon(job);
}

static void heard(void *arg, const char *type, const json_t *message)
{
    struct worker_job *job = arg;
    if (strcmp(type, "started") == 0 && job->state == JOB_STARTING) {
        heard_started(job);
    } else if (strcmp(type, "spooled") == 0) {
        job->notice_end = 0;
        worker_job_turn_soon(job);
    } else if (strcmp(type, "ended") == 0 && json_is_true(json_object_get(message, "stays"))) {
        const char *cgroup = json_string_value(json_object_get(message, "cgroup"));
        job->idle_fd = control_detach(&job->control);
        job->idle_cgroup = cgroup ? xstrdup(cgroup) : NULL;
        job->runner_stayed = true;
        if (!json_is_true(json_object_get(message, "clean")))
            worker_job_give_up_folder(job);
        on_adopt(job);
    }
}

// A runner whose worker has gone begins to listen when it is told so; it lives, if it can be reached.
static bool reach(struct worker_job *job)
{
    int fd;
    if (control_connect(job->dir_fd, JOB_CONTROL, &fd) < 0)
        return false;
    worker_job_spawned(job, fd);
    job->adoptions = 0;
    job->notice_end = job->acked = 0;
    if (job->state == JOB_STARTING)
        heard_started(job);
    else
        worker_job_turn_soon(job);
    return true;
}

static void on_adopt(void *arg)
{
    struct worker_job *job = arg;
    int err =
        job->spool ? 0 : spool_attach(&(struct spool_options){.dir = job->dir, .bytes_max = UINT64_MAX}, &job->spool);
    if (err == 0)
        err = spool_adopt(job->spool);
    if (err == ERR_HELD && reach(job))
        return;
    if (err == 0) {
        worker_job_gone(job);
    } else if (err == ERR_HELD && job->adoptions++ < ADOPT_MAX) {
        timer_start(job->adopting, ADOPT_STEP_MS);
    } else if (err == ERR_NOT_FOUND && job->state == JOB_STARTING) {
        worker_job_give_back(job->worker, job->id, job->epoch, "its runner could not be started");
        dir_remove_all(job->dir);
        worker_job_end(job);
    } else {
        log_error(worker_job_logger(job), "what a job has left cannot be read; its folder stays",
                  LOG_S("folder", job->dir), LOG_S("reason", error_text(err)));
        worker_job_end(job);
    }
}

static void gone(void *arg)
{
    struct worker_job *job = arg;
    control_free(&job->control);
    on_adopt(job);
}

static const struct control_events control_events = {heard, gone};

// --- Its beginning here

static void on_settle(void *arg)
{
    worker_job_settle(arg);
}

static void on_end(void *arg)
{
    worker_job_end(arg);
}

static void on_sync(void *arg)
{
    worker_job_sync(arg);
}

static void on_turn(struct deferred *deferred)
{
    worker_job_turn(CONTAINER_OF(deferred, struct worker_job, turn));
}

static struct worker_job *make(struct worker *worker, const char *id, uint64_t epoch, bool retry_on_lost)
{
    struct worker_job *job = xcalloc(1, sizeof(*job));
    job->worker = worker;
    job->state = JOB_STARTING;
    job->id = xstrdup(id);
    job->dir = xasprintf("%s/%s", worker->spools, id);
    job->dir_fd = job->idle_fd = -1;
    job->epoch = epoch;
    job->retry_on_lost = retry_on_lost;
    job->adopting = timer_new(worker->loop, on_adopt, job);
    job->sync_timer = timer_new(worker->loop, on_sync, job);
    job->end_timer = timer_new(worker->loop, on_end, job);
    job->settle_timer = timer_new(worker->loop, on_settle, job);
    deferred_init(&job->turn, on_turn);
    map_insert(&worker->jobs, &job->node, str_of(job->id));
    return job;
}

static bool open_folder(struct worker_job *job)
{
    job->dir_fd = open(job->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    return job->dir_fd >= 0;
}

struct worker_job *worker_job_new(struct worker *worker, const char *id, uint64_t epoch, bool retry_on_lost)
{
    struct worker_job *job = make(worker, id, epoch, retry_on_lost);
    if (open_folder(job))
        return job;
    worker_job_free(job);
    return NULL;
}

int worker_job_spawn(struct worker *worker, const char *dir, const json_t *secrets, bool again, int *ret_control)
{
    CLEANUP(close_fd) int secrets_fd = -1;
    if (!secrets && worker_idle_use(worker, dir, again, ret_control))
        return 0;
    int err = secrets ? job_secrets_pass(secrets, &secrets_fd) : 0;
    return err < 0 ? err : spawner_ask(&worker->spawner, dir, secrets_fd, ret_control);
}

static void on_prepared(void *arg, int err, const json_t *secrets)
{
    struct worker_job *job = arg;
    int control = -1;
    if (err == 0)
        err = open_folder(job) ? worker_job_spawn(job->worker, job->dir, secrets, false, &control) : -errno;
    worker_inputs_free(&job->inputs); // the secrets, too
    if (err == 0) {
        job->state = JOB_STARTING;
        worker_job_spawned(job, control);
        return;
    }
    if (err != ERR_CONFLICT)
        dir_remove_all(job->dir);
    worker_job_give_back(job->worker, job->id, job->epoch, worker_no_folder(err));
    worker_job_end(job);
}

static const struct worker_inputs_events inputs_events = {on_prepared, on_end};

struct worker_job *worker_job_fetching(struct worker *worker, const json_t *message, const char *id, uint64_t epoch,
                                       bool retry_on_lost)
{
    struct worker_job *job = make(worker, id, epoch, retry_on_lost);
    job->state = JOB_FETCHING;
    job->inputs = worker_inputs_new(worker, message, job->dir, &inputs_events, job);
    return job;
}

void worker_job_spawned(struct worker_job *job, int control_fd)
{
    job->control = control_new(job->worker->loop, control_fd, &control_events, job);
    if (!job->control)
        timer_start(job->adopting, ADOPT_STEP_MS); // it is found again when it has ended
}

bool worker_job_found(struct worker_job *job)
{
    struct spool_options options = {.dir = job->dir, .bytes_max = UINT64_MAX};
    // In a folder that has a spool nothing begins any more. A request for its runner may still be under way.
    int err = spool_create(&options, &job->spool);
    if (err == 0)
        return false;
    if (!reach(job))
        timer_start(job->adopting, 0);
    return true;
}
