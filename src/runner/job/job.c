#include "runner/container/container.h"
#include "runner/job/job_private.h"
#include "runner/process/descendants.h"
#include "util/clock.h"
#include "util/json_writer.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define JOBS_MAX 256 // of one process

struct host { // what stays from one job to the next
    struct loop *loop;
    struct signals signals;
    struct confine_base *base;
    struct job_kept kept;
    int control_fd; // between two jobs
    bool clean;     // the last job's folder may be the next one's
    unsigned jobs;  // so far
};

// Without it being saved: job.json says all of this.
static void describe(struct job_runner *runner)
{
    struct run_file *run = &runner->run;
    *run = (struct run_file){
        .execution_id = xstrdup(runner->file.execution_id),
        .url = xstrdup(runner->file.url),
        .producer = xstrdup(runner->file.producer),
        .epoch = runner->file.epoch,
        .registered = true,
        .existed = true,
        .started_ms = clock_real_ms(),
        .cgroup = runner->cgroup.path ? xstrdup(runner->cgroup.path) : NULL,
    };
    snprintf(run->incarnation, sizeof(run->incarnation), "%s", runner->file.incarnation);
    if (runner->file.boot)
        snprintf(run->boot, sizeof(run->boot), "%s", runner->file.boot);
    else
        run_file_boot(run->boot);
}

static void signal_came(void *arg, unsigned events)
{
    struct job_runner *runner = arg;
    int signum;
    bool by_terminal, reap = false;
    (void)events;
    while (signals_read(runner->signals, &signum, &by_terminal)) {
        if (signum == SIGCHLD)
            reap = true;
        else if (signum == SIGTERM || signum == SIGINT)
            job_stop(runner, "failed", "its runner was told to end: the machine shuts down, or somebody ended it",
                     runner->file.grace_ms);
    }
    if (reap)
        job_reap(runner);
    job_output_settle(runner);
}

static int start(struct job_runner *runner, int control_fd)
{
    int err = watch_new(runner->loop, runner->signals->fd, signal_came, runner, &runner->signal_watch);
    if (err < 0) {
        close_fd(&control_fd);
        return err;
    }
    watch_set(runner->signal_watch, WATCH_READ);
    err = job_end_init(runner);
    int output_err = job_output_new(runner);
    err = err < 0 ? err : output_err;
    int control_err = job_control_new(runner, control_fd);
    return err < 0 ? err : control_err;
}

// The connection goes last: then there is nothing of the job here any more, and its spool can be had.
static void stop(struct job_runner *runner)
{
    runner->over = true;
    container_free(&runner->container);
    job_output_free(runner);
    job_end_free(runner);
    watch_free(&runner->signal_watch);
    pool_free(&runner->pool);
    loop_deliver(runner->loop); // what its thread has done since is in here
    cgroup_remove(&runner->cgroup);
    spool_free(&runner->spool);
    job_control_free(runner);
    run_file_release(&runner->run);
    job_file_release(&runner->file);
    job_secrets_release(&runner->secrets);
    buf_release(&runner->reason);
    free(runner->dir);
    close_fd(&runner->dir_fd);
}

static struct job_runner make(struct host *host, bool again)
{
    static const struct job_hooks hooks = {job_stop, job_check, job_alive, job_output_room};
    return (struct job_runner){.hooks = &hooks,
                               .loop = host->loop,
                               .base = host->base,
                               .kept = &host->kept,
                               .first = host->jobs == 0,
                               .again = again,
                               .dir_fd = -1,
                               .listen_fd = -1,
                               .lease_fd = -1,
                               .cgroup = CGROUP_NONE,
                               .outputs = {{.fd = -1}, {.fd = -1}}};
}

static int run(struct job_runner *runner, int control_fd)
{
    runner->executor = runner->file.image ? &job_container_executor : &job_process_executor;
    job_make_cgroup(runner);
    describe(runner);
    int err = start(runner, control_fd);
    if (err < 0)
        return err;
    job_control_started(runner);
    job_start(runner);
    job_output_settle(runner);
    job_check(runner);
    loop_run(runner->loop);
    return job_finish(runner);
}

// Whether nothing of the job is left in this process that the next one could meet.
static bool may_stay(const struct job_runner *runner, const struct host *host)
{
    return runner->file.stays && host->jobs < JOBS_MAX && runner->secrets.count == 0 && !runner->file.image &&
           !runner->pool && !descendants_left();
}

// Says that it is over, and takes the connection back if this process stays.
static void end(struct job_runner *runner, struct host *host)
{
    host->control_fd = may_stay(runner, host) ? job_control_detach(runner) : -1;
    host->clean = host->control_fd >= 0 && job_folder_clean(runner);
    if (host->control_fd >= 0)
        job_keep_cgroup(runner);
    // A worker that listens delivers it now; else it may lie for long.
    if (host->control_fd < 0 && !job_control_ended(runner))
        job_make_durable(runner);
}

static int run_one(struct host *host, const char *dir, int secrets_fd, bool again)
{
    struct job_runner runner = make(host, again);
    runner.signals = &host->signals;
    list_init(&runner.pending);
    host->jobs++;
    int err = job_secrets_take(secrets_fd, &runner.secrets);
    if (err == 0)
        err = job_folder_open(&runner, dir);
    if (err == 0)
        err = run(&runner, TAKE_FD(host->control_fd));
    if (err == 0)
        end(&runner, host);
    stop(&runner);
    return err;
}

// --- Between two jobs

struct next {
    char dir[PATH_MAX]; // empty: nothing yet
    bool again;         // it is the folder of the last job, by another name
};

// Returns false if the worker has gone.
static bool hear_next(const struct host *host, struct next *ret)
{
    char text[CONTROL_MESSAGE_MAX];
    ssize_t len = recv(host->control_fd, text, sizeof(text), MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return true;
    json_t *root = len > 0 ? json_loadb(text, (size_t)len, 0, NULL) : NULL;
    const char *type = json_string_value(json_object_get(root, "type")), // what was said to the last job is over
        *dir = json_string_value(json_object_get(root, "dir"));
    if (type && dir && strcmp(type, "run") == 0) {
        snprintf(ret->dir, sizeof(ret->dir), "%s", dir);
        ret->again = json_is_true(json_object_get(root, "again"));
    }
    json_decref(root);
    return len > 0;
}

static bool told_to_end(struct host *host)
{
    int signum;
    bool by_terminal;
    while (signals_read(&host->signals, &signum, &by_terminal)) {
        if (signum == SIGTERM || signum == SIGINT)
            return true;
    }
    return false;
}

static bool say_ended(const struct host *host)
{
    CLEANUP(buf_release) struct buf word = {0};
    struct json_writer json = json_writer_to(&word);
    json_open_object(&json, NULL);
    json_add_text(&json, "type", "ended");
    json_add_bool(&json, "stays", true);
    json_add_bool(&json, "clean", host->clean);
    if (host->kept.cgroup.path)
        json_add_text(&json, "cgroup", host->kept.cgroup.path);
    json_close(&json);
    return send(host->control_fd, word.data, word.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0;
}

static bool wait_for_next(struct host *host, struct next *ret)
{
    if (!say_ended(host))
        return false;
    for (ret->dir[0] = 0; !ret->dir[0];) {
        struct pollfd fds[] = {{.fd = host->control_fd, .events = POLLIN}, {.fd = host->signals.fd, .events = POLLIN}};
        if (poll(fds, ARRAY_LEN(fds), -1) < 0 && errno != EINTR)
            return false;
        if (told_to_end(host) || !hear_next(host, ret))
            return false;
    }
    return true;
}

static int run_all(struct host *host, const struct job_call *call)
{
    struct next next;
    int err = run_one(host, call->dir, call->secrets_fd, false);
    while (host->control_fd >= 0 && err == 0 && wait_for_next(host, &next)) {
        if (host->base && host->jobs == 1)
            confine_base_take(host->base);
        err = run_one(host, next.dir, -1, next.again);
    }
    return err;
}

int job_run(const struct job_call *call)
{
    struct host host = {.base = call->base,
                        .kept = {.ruleset = -1, .door = -1, .cgroup = CGROUP_NONE},
                        .control_fd = call->control_fd,
                        .signals.fd = -1};
    setsid();
    umask(077);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_NAME, "runnel-job", 0, 0, 0);
    int err = signals_block(&host.signals, false);
    if (err == 0)
        err = loop_new(&host.loop);
    if (err == 0)
        err = run_all(&host, call);
    close_fd(&host.control_fd);
    job_kept_release(&host.kept);
    if (host.loop)
        loop_free(&host.loop);
    return err < 0 ? 1 : 0;
}
