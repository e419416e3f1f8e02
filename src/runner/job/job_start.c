// A job's program: its folder, its environment, its limits.
#include "runner/job/job_private.h"
#include "runner/outputs_names.h"
#include "runner/process/descendants.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

struct launch_fds {
    int in, out_read, out_write, err_read, err_write;
    int ruleset; // borrowed
};

static void launch_fds_release(struct launch_fds *fds)
{
    int *const all[] = {&fds->in, &fds->out_read, &fds->out_write, &fds->err_read, &fds->err_write};
    for (size_t i = 0; i < ARRAY_LEN(all); i++)
        close_fd(all[i]);
}

static int make_pipe(int *ret_read, int *ret_write)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    *ret_read = fds[0];
    *ret_write = fds[1];
    return fcntl(fds[0], F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

static int make_folder(const struct job_runner *runner, const char *name)
{
    const struct launch_user *user = &runner->file.user;
    if (mkdirat(runner->dir_fd, name, 0700) < 0 && errno != EEXIST)
        return -errno;
    bool given =
        !runner->file.has_user || fchownat(runner->dir_fd, name, user->uid, user->gid, AT_SYMLINK_NOFOLLOW) == 0;
    return given ? 0 : -errno;
}

int job_open_stdin(const struct job_runner *runner, int *ret)
{
    const char *path = runner->file.stdin_path;
    *ret = openat(runner->dir_fd, path ? path : "/dev/null", O_RDONLY | O_CLOEXEC | (path ? O_NONBLOCK : 0));
    if (*ret < 0)
        return -errno;
    // Without O_NONBLOCK a pipe that nobody writes into would hold us up; the job is to wait for it.
    return path && fcntl(*ret, F_SETFL, 0) < 0 ? -errno : 0;
}

static char *in_folder(const struct job_runner *runner, const char *name)
{
    return xasprintf("%s/%s", runner->dir, name);
}

void job_environment_release(struct job_environment *environment)
{
    for (size_t i = 0; i < environment->owned; i++)
        free(environment->all[i]);
    free(environment->all);
}

struct job_environment job_environment_of(const struct job_runner *runner, const char *inputs, const char *outputs,
                                          const char *voice)
{
    const struct job_file *file = &runner->file;
    const struct job_secrets *secrets = &runner->secrets;
    char *ours[] = {
        xasprintf("RUNNEL_EXECUTION_ID=%s", file->execution_id),
        xasprintf("RUNNEL_URL=%s", file->url),
        xasprintf("RUNNEL_BATCH_ID=%s", file->batch_id ? file->batch_id : ""),
        xasprintf("RUNNEL_INPUTS=%s", inputs),
        xasprintf("RUNNEL_OUTPUTS=%s", outputs),
        xasprintf("RUNNEL_ATTEMPT=%llu", (unsigned long long)file->attempt),
        xasprintf("RUNNEL_SOCKET=%s", voice),
    };
    size_t count = 0;
    while (file->env[count])
        count++;
    struct job_environment environment = {.owned = ARRAY_LEN(ours)};
    environment.all = xcalloc(ARRAY_LEN(ours) + secrets->count + count + 1, sizeof(*environment.all));
    char **at = mempcpy(environment.all, ours, sizeof(ours));
    for (size_t i = 0; i < secrets->count; i++)
        *at++ = secrets->env[i];
    for (size_t i = 0; i < count; i++)
        if (!job_secrets_set(secrets, file->env[i])) // its secrets come before what else has their names
            *at++ = file->env[i];
    return environment;
}

void job_usual_paths(struct confine_options *options, size_t writable_at)
{
    static const char *const writable[] = {"/tmp",     "/var/tmp",  "/dev/null", "/dev/zero", "/dev/full",
                                           "/dev/tty", "/dev/ptmx", "/dev/pts",  "/dev/shm",  "/dev/fd"};
    static const char *const readable[] = {"/dev/random", "/dev/urandom"};
    memcpy(options->writable + writable_at, writable, sizeof(writable));
    memcpy(options->readable, readable, sizeof(readable));
}

static int make_ruleset(const struct job_runner *runner, int *ret_fd)
{
    CLEANUP(free_ptr) char *work = in_folder(runner, JOB_WORK);
    CLEANUP(free_ptr) char *outputs = in_folder(runner, JOB_OUTPUTS);
    struct confine_options options = {.writable = {work, outputs, runner->file.cwd}};
    memcpy(options.hidden, runner->file.hidden, sizeof(options.hidden));
    if (confine_base_hides(runner->base, options.hidden))
        options.base = runner->base;
    else
        job_usual_paths(&options, runner->file.cwd ? 3 : 2);
    int err = confine_prepare(&options, ret_fd);
    return err == ERR_UNSUPPORTED ? 0 : err; // whoever gave it to us knows that
}

// What is open for the ruleset is closed before the program is started, which would have to close as much again.
static int confine(const struct job_runner *runner, int *ret_fd)
{
    struct job_kept *kept = runner->kept;
    if (!runner->file.confined)
        return 0;
    bool same = runner->again && !runner->file.cwd && kept->ruleset >= 0 && confine_base_unchanged(runner->base);
    if (!same) {
        close_fd(&kept->ruleset);
        if (runner->base && !runner->first) // the spawner has just done so
            confine_base_refresh(runner->base);
        int err = make_ruleset(runner, &kept->ruleset);
        if (err < 0)
            return err;
        if (runner->base && !runner->first && kept->stays && !runner->file.cwd)
            confine_base_watch(runner->base);
        else if (runner->base)
            confine_base_forget(runner->base);
    }
    *ret_fd = kept->ruleset;
    return 0;
}

int job_make_folders(const struct job_runner *runner)
{
    if (runner->again)
        return 0;
    int err = make_folder(runner, JOB_WORK);
    if (err == 0 && runner->secrets.mask)
        err = outputs_names_begin(runner->dir_fd);
    return err < 0 ? err : make_folder(runner, JOB_OUTPUTS);
}

static int prepare(struct job_runner *runner, struct launch_fds *fds)
{
    int err = job_make_folders(runner);
    if (err == 0)
        err = make_pipe(&fds->out_read, &fds->out_write);
    if (err == 0)
        err = make_pipe(&fds->err_read, &fds->err_write);
    if (err == 0)
        err = confine(runner, &fds->ruleset);
    return err;
}

void job_refuse(struct job_runner *runner, int exit_code, const char *reason)
{
    job_output_event(runner, "job_not_started", LEVEL_ERROR, reason);
    runner->status = "failed";
    runner->exit_code = exit_code;
    runner->program_over = true;
    buf_reset(&runner->reason);
    buf_append_text(&runner->reason, reason);
}

static void refuse_step(struct job_runner *runner, enum launch_step step, int err)
{
    static const char *const texts[] = {
        [LAUNCH_EXEC] = "the program cannot be run",
        [LAUNCH_CWD] = "the folder that it is to run in cannot be entered",
        [LAUNCH_CGROUP] = "it cannot be put into its control group",
        [LAUNCH_USER] = "it cannot be run as the user that it is to be",
        [LAUNCH_CONFINE] = "it cannot be confined by Landlock",
        [LAUNCH_SETUP] = "it cannot be started",
    };
    const struct job_file *file = &runner->file;
    const char *what = step == LAUNCH_EXEC ? file->argv[0] : step == LAUNCH_CWD && file->cwd ? file->cwd : NULL;
    CLEANUP(free_ptr)
    char *text = xasprintf("%s: %s%s%s", texts[step], what ? what : "", what ? ": " : "", error_text(err));
    job_refuse(runner, err == -ENOENT || err == -ENOTDIR ? 127 : 126, text);
}

static void adopt_outputs(struct job_runner *runner, struct launch_fds *fds)
{
    runner->started = true;
    int err = job_output_add(runner, STREAM_STDOUT, TAKE_FD(fds->out_read));
    if (err == 0)
        err = job_output_add(runner, STREAM_STDERR, TAKE_FD(fds->err_read));
    if (err < 0) // its output cannot be read, so it must not run
        job_stop(runner, "failed", error_text(err), 0);
    if (runner->file.timeout_ms > 0)
        timer_start(runner->timeout_timer, runner->file.timeout_ms);
}

// Without a control group that holds it, the kernel's limits for a process stand in.
static void run(struct job_runner *runner, struct launch_fds *fds)
{
    const struct job_file *file = &runner->file;
    CLEANUP(free_ptr) char *inputs = in_folder(runner, JOB_WORK);
    CLEANUP(free_ptr) char *outputs = in_folder(runner, JOB_OUTPUTS);
    CLEANUP(free_ptr) char *voice = in_folder(runner, JOB_VOICE);
    CLEANUP(job_environment_release)
    struct job_environment environment = job_environment_of(runner, inputs, outputs, voice);
    struct launch_options options = {
        .argv = file->argv,
        .env = environment.all,
        .cwd = file->cwd ? file->cwd : JOB_WORK,
        .dir_fd = runner->dir_fd,
        .in = fds->in,
        .out = fds->out_write,
        .err = fds->err_write,
        .mask = &runner->signals->old_mask,
        .user = file->has_user ? &file->user : NULL,
        .memory_max = runner->limited.memory ? 0 : file->memory_max,
        .processes_max = runner->limited.processes || !file->has_user ? 0 : file->processes_max,
        .cgroup_fd = runner->cgroup.fd,
        .ruleset_fd = fds->ruleset,
    };
    enum launch_step step;
    int err = launch(&options, &runner->pid, &step);
    if (err < 0)
        refuse_step(runner, step, err);
    else
        adopt_outputs(runner, fds);
}

static void start_process(struct job_runner *runner)
{
    CLEANUP(launch_fds_release) struct launch_fds fds = {-1, -1, -1, -1, -1, -1};
    const char *path = runner->file.stdin_path;
    int err = prepare(runner, &fds);
    if (err < 0) {
        refuse_step(runner, LAUNCH_SETUP, err);
        return;
    }
    err = job_open_stdin(runner, &fds.in);
    if (err < 0) {
        CLEANUP(free_ptr) char *text = xasprintf("its input cannot be read: %s: %s", path, error_text(err));
        job_refuse(runner, 126, text);
        return;
    }
    run(runner, &fds);
}

static void signal_processes(struct job_runner *runner, int signum)
{
    bool killed = signum == SIGKILL && cgroup_kill(&runner->cgroup) == 0;
    if (!killed && descendants_signal(signum) < 0 && runner->pid > 0)
        kill(-runner->pid, signum); // without /proc: its session's first group
}

static bool processes_left(const struct job_runner *runner)
{
    (void)runner;
    return descendants_left();
}

static void pause_pipes(struct job_runner *runner, bool pause)
{
    for (size_t i = 0; i < ARRAY_LEN(runner->outputs); i++) {
        if (runner->outputs[i].watch)
            watch_set(runner->outputs[i].watch, pause ? 0 : WATCH_READ);
    }
}

static void measure_processes(const struct job_runner *runner, struct run_details *details)
{
    if (runner->started)
        run_details_take(details, &runner->used);
    if (!details->measured)
        return;
    cgroup_memory_peak(&runner->cgroup, &details->peak_memory_bytes);
    cgroup_cpu_time(&runner->cgroup, &details->cpu_us);
}

const struct job_executor job_process_executor = {
    .start = start_process,
    .signal = signal_processes,
    .left = processes_left,
    .pause = pause_pipes,
    .measure = measure_processes,
    .lingers = true,
};

void job_start(struct job_runner *runner)
{
    if (runner->file.refusal) {
        job_refuse(runner, 126, runner->file.refusal);
        if (runner->file.refusal_status)
            runner->status = runner->file.refusal_status;
    } else if (job_lease_over(runner)) { // it was asked for long ago
        runner->status = "lost";
        runner->program_over = true;
        buf_append_text(&runner->reason, "its lease was over before it could begin");
    } else {
        runner->executor->start(runner);
    }
}
