// A job in a container of an engine of this machine.
#include "runner/container/container.h"
#include "runner/job/job_private.h"
#include "util/clock.h"

#include <signal.h>

// Where it finds what is its own.
#define INSIDE_WORK    JOB_INSIDE JOB_WORK
#define INSIDE_OUTPUTS JOB_INSIDE JOB_OUTPUTS
#define INSIDE_VOICE   JOB_INSIDE JOB_VOICE

static void on_output(void *arg, enum record_stream stream, struct str bytes)
{
    job_output_bytes(arg, stream, bytes);
}

static void on_event(void *arg, const char *event_type, enum record_level level, const char *message)
{
    job_output_event(arg, event_type, level, message);
    job_output_settle(arg);
}

// Text that waits for its newline comes before the event.
static void on_interrupted(void *arg, const char *reason)
{
    struct job_runner *runner = arg;
    for (int stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++)
        transcript_end(runner->transcript, (enum record_stream)stream, clock_real_ms());
    on_event(runner, "capture_interrupted", LEVEL_WARNING, reason);
}

static void on_turn(void *arg)
{
    struct job_runner *runner = arg;
    job_output_settle(runner);
    runner->hooks->check(runner);
}

static void on_started(void *arg)
{
    struct job_runner *runner = arg;
    runner->started = true;
    if (runner->file.timeout_ms > 0 && !runner->stopping)
        timer_start(runner->timeout_timer, runner->file.timeout_ms);
}

static void on_refused(void *arg, int exit_code, const char *reason)
{
    const struct job_runner *runner = arg;
    if (!runner->stopping) // else it has its end already
        job_refuse(arg, exit_code, reason);
}

static void on_failed(void *arg, const char *reason)
{
    struct job_runner *runner = arg;
    job_output_event(runner, "container_failed", LEVEL_ERROR, reason);
    if (!runner->program_over) {
        job_stop(runner, "failed", reason, 0);
    } else if (!runner->status) {
        runner->status = "failed";
        buf_append_text(&runner->reason, reason);
    }
}

static void on_exited(void *arg, int exit_code)
{
    job_program_ended(arg, exit_code);
}

// Where an engine does not notice why (Podman with control groups of version 1), a limit is the likely reason.
static void add_memory_reason(struct job_runner *runner, const struct container_facts *facts)
{
    if (facts->out_of_memory)
        buf_append_text(&runner->reason, "it used more memory than its limit");
    else if (runner->exit_code == 128 + SIGKILL && runner->file.memory_max > 0)
        buf_append_text(&runner->reason, "it was killed, and the engine does not say why; it may have used more memory "
                                         "than its limit");
}

static void on_gone(void *arg)
{
    struct job_runner *runner = arg;
    struct container_facts facts = container_facts(runner->container);
    if (!runner->program_over) // it was told to end before its program ran
        job_program_ended(runner, 128 + SIGTERM);
    if (!runner->status && runner->exit_code != 0)
        add_memory_reason(runner, &facts);
    runner->container_gone = true;
    for (int stream = STREAM_STDOUT; stream <= STREAM_STDERR; stream++)
        transcript_end(runner->transcript, (enum record_stream)stream, clock_real_ms());
    job_output_settle(runner);
    job_check(runner);
}

static const struct container_events container_events = {
    .output = on_output,
    .event = on_event,
    .interrupted = on_interrupted,
    .turn = on_turn,
    .started = on_started,
    .refused = on_refused,
    .failed = on_failed,
    .exited = on_exited,
    .gone = on_gone,
};

static int open_input(const struct job_runner *runner, int *ret)
{
    *ret = -1;
    return runner->file.stdin_path ? job_open_stdin(runner, ret) : 0;
}

static char *folder_inside(const struct job_file *file)
{
    const char *cwd = file->cwd ? file->cwd : JOB_WORK; // relative to the job's folder
    return cwd[0] == '/' ? xstrdup(cwd) : xasprintf(JOB_INSIDE "%s", cwd);
}

static void start(struct job_runner *runner)
{
    const struct job_file *file = &runner->file;
    CLEANUP(free_ptr) char *work = xasprintf("%s/" JOB_WORK, runner->dir);
    CLEANUP(free_ptr) char *outputs = xasprintf("%s/" JOB_OUTPUTS, runner->dir);
    CLEANUP(free_ptr) char *voice = xasprintf("%s/" JOB_VOICE, runner->dir);
    CLEANUP(free_ptr) char *cwd = folder_inside(file);
    CLEANUP(job_environment_release)
    struct job_environment environment = job_environment_of(runner, INSIDE_WORK, INSIDE_OUTPUTS, INSIDE_VOICE);
    int input_fd, err = job_make_folders(runner);
    if (err == 0)
        err = open_input(runner, &input_fd);
    if (err < 0) {
        CLEANUP(free_ptr) char *text = xasprintf("it cannot be started: %s", error_text(err));
        job_refuse(runner, 126, text);
        runner->container_gone = true;
        return;
    }
    struct container_options options = {
        .loop = runner->loop,
        .socket = file->container_socket,
        .image = file->image,
        .command = file->argv,
        .replaces_entry = file->container_program,
        .env = environment.all,
        .cwd = cwd,
        .user = file->container_user,
        .memory_max = file->memory_max,
        .processes_max = file->processes_max,
        .cpus_milli = file->cpus_milli,
        .mounts = {{work, INSIDE_WORK, false}, {outputs, INSIDE_OUTPUTS, false}, {voice, INSIDE_VOICE, false}},
        .mount_count = 3,
        .input_fd = input_fd,
        .registry_auth = file->registry_auth,
        .execution_id = file->execution_id,
        .folder = file->container_folder,
        .worker = file->container_worker,
        .epoch = file->epoch,
    };
    runner->container = container_new(&options, &container_events, runner);
}

static void signal_container(struct job_runner *runner, int signum)
{
    if (runner->container && signum != SIGCONT)
        container_signal(runner->container, signum);
}

static bool left(const struct job_runner *runner)
{
    return runner->container && !runner->container_gone;
}

static void pause_stream(struct job_runner *runner, bool pause)
{
    if (runner->container)
        container_pause(runner->container, pause);
}

static void measure(const struct job_runner *runner, struct run_details *details)
{
    struct container_facts facts = {0};
    if (runner->container)
        facts = container_facts(runner->container);
    details->executor = "container";
    details->image = runner->file.image;
    details->image_digest = facts.digest;
    details->measured = facts.has_usage;
    details->peak_memory_bytes = facts.peak_memory;
    details->cpu_us = facts.cpu_us;
}

const struct job_executor job_container_executor = {
    .start = start,
    .signal = signal_container,
    .left = left,
    .pause = pause_stream,
    .measure = measure,
};
