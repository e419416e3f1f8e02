#include "runner/container/container.h"
#include "runner/job/job_private.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

static int open_folder(struct job_runner *runner, const char *dir)
{
    CLEANUP(free_ptr) char *resolved = realpath(dir, NULL);
    runner->dir = xstrdup(resolved ? resolved : dir);
    runner->dir_fd = open(runner->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (runner->dir_fd < 0)
        return -errno;
    int err = job_file_load(runner->dir_fd, &runner->file);
    if (err < 0)
        return err;
    struct spool_options options = {.dir = runner->dir, .bytes_max = runner->file.spool_max, .write_only = true};
    err = spool_create(&options, &runner->spool);
    if (err < 0)
        return err;
    // A worker that gives a job back takes it away first: then it is not to be run any more.
    return faccessat(runner->dir_fd, JOB_FILE, F_OK, 0) < 0 ? -errno : 0;
}

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

static void make_cgroup(struct job_runner *runner)
{
    const struct cgroup_limits limits = {
        .memory_max = runner->file.memory_max,
        .processes_max = runner->file.processes_max,
        .cpus_milli = runner->file.cpus_milli,
    };
    if (runner->file.cgroup && !runner->file.refusal && !runner->file.image)
        cgroup_make(runner->file.cgroup, &limits, &runner->cgroup, &runner->limited);
}

static void signal_came(void *arg, unsigned events)
{
    struct job_runner *runner = arg;
    int signum;
    bool by_terminal, reap = false;
    (void)events;
    while (signals_read(&runner->signals, &signum, &by_terminal)) {
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
    int err = signals_block(&runner->signals, false);
    if (err == 0)
        err = loop_new(&runner->loop);
    if (err == 0)
        err = watch_new(runner->loop, runner->signals.fd, signal_came, runner, &runner->signal_watch);
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

// The spool goes first: its lock is what the worker waits for, once the connection tells it that the end is near.
static void stop(struct job_runner *runner)
{
    pool_free(&runner->pool);
    spool_free(&runner->spool);
    job_control_free(runner);
    container_free(&runner->container);
    job_output_free(runner);
    job_end_free(runner);
    watch_free(&runner->signal_watch);
    if (runner->loop)
        loop_free(&runner->loop);
    cgroup_remove(&runner->cgroup);
    run_file_release(&runner->run);
    job_file_release(&runner->file);
    job_secrets_release(&runner->secrets);
    buf_release(&runner->reason);
    free(runner->dir);
    close_fd(&runner->dir_fd);
}

int job_run(const struct job_call *call)
{
    static const struct job_hooks hooks = {job_stop, job_check, job_alive, job_output_room};
    struct job_runner runner = {.hooks = &hooks,
                                .base = call->base,
                                .dir_fd = -1,
                                .listen_fd = -1,
                                .lease_fd = -1,
                                .signals.fd = -1,
                                .cgroup.fd = -1};
    CLEANUP(close_fd) int control_fd = call->control_fd;
    list_init(&runner.pending);
    for (size_t i = 0; i < ARRAY_LEN(runner.outputs); i++)
        runner.outputs[i].fd = -1;
    setsid();
    umask(077);
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    prctl(PR_SET_NAME, "runnel-job", 0, 0, 0);
    int secrets_err = job_secrets_take(call->secrets_fd, &runner.secrets);
    int err = secrets_err < 0 ? secrets_err : open_folder(&runner, call->dir);
    if (err < 0) {
        stop(&runner);
        return 1;
    }
    runner.executor = runner.file.image ? &job_container_executor : &job_process_executor;
    make_cgroup(&runner);
    describe(&runner);
    err = start(&runner, TAKE_FD(control_fd));
    if (err == 0) {
        job_control_started(&runner);
        job_start(&runner);
        job_output_settle(&runner);
        job_check(&runner);
        loop_run(runner.loop);
        err = job_finish(&runner);
    }
    stop(&runner);
    return err < 0 ? 1 : 0;
}
