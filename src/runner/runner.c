#include "runner/describe.h"
#include "runner/refusal.h"
#include "runner/runner_private.h"
#include "util/clock.h"
#include "util/id.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <unistd.h>

#define POOL_THREADS      4 // connecting, reading old chunks, syncing and uploading may block at the same time
#define POOL_QUEUE        8
#define MESSAGE_MAX_LIMIT (768u * 1024) // up to this size any chunk fits into a frame
#define RESUME_WAIT_MS    5000

static void set_options(struct runner *runner, const struct runner_options *options)
{
    runner->options = *options;
    if (runner->options.message_max == 0)
        runner->options.message_max = RECORD_MESSAGE_MAX;
    runner->options.message_max = MIN(runner->options.message_max, (size_t)MESSAGE_MAX_LIMIT);
    if (runner->options.spool_max == 0)
        runner->options.spool_max = RUNNER_SPOOL_MAX;
    if (runner->options.grandchild_grace_ms == 0)
        runner->options.grandchild_grace_ms = RUNNER_GRANDCHILD_GRACE_MS;
}

static int make_spool(struct runner *runner)
{
    char made[5 + ID_SORTABLE_LEN + 1] = "exec_";
    const char *id = runner->options.execution_id;
    if (!id) {
        id_sortable(clock_real_ms(), made + 5);
        id = made;
    }
    if (!id_execution_valid(str_of(id)))
        return ERR_INVALID;
    run_describe(&runner->options, id, &runner->run);
    runner->dir = xasprintf("%s/spool/%s", runner->options.state_dir, id);
    int err = spool_create(&(struct spool_options){.dir = runner->dir, .bytes_max = runner->options.spool_max},
                           &runner->spool);
    if (err < 0)
        return err;
    runner->run_file_saves++;
    return run_file_save(&runner->run, runner->dir, false);
}

static int make_loop(struct runner *runner)
{
    int err = loop_new(&runner->loop);
    if (err == 0)
        err = pool_new(POOL_THREADS, POOL_QUEUE, &runner->pool);
    if (err == 0)
        err = watch_new(runner->loop, runner->signals.fd, runner_signal_came, runner, &runner->signal_watch);
    if (err < 0)
        return err;
    watch_set(runner->signal_watch, WATCH_READ);
    runner->kill_timer = timer_new(runner->loop, runner_kill_child, runner);
    runner->sync_timer = timer_new(runner->loop, runner_sync, runner);
    runner->unreached_timer = timer_new(runner->loop, runner_unreached, runner);
    runner->patience_timer = timer_new(runner->loop, runner_patience_due, runner);
    runner->notice_timer = timer_new(runner->loop, runner_tell_waiting, runner);
    runner->foreground_timer = timer_new(runner->loop, runner_tty_settle, runner);
    return 0;
}

static int make_recorder(struct runner *runner)
{
    struct recorder_options options = {
        .spool = runner->spool,
        .loop = runner->loop,
        .message_max = runner->options.message_max,
        .mask = runner->options.mask,
        .events = &runner_recorder_events,
        .arg = runner,
        .result = runner->options.wants_result ? &runner->result : NULL,
    };
    return recorder_new(&options, &runner->recorder);
}

// Only people who look at the output, and can choose --tty, are told.
static bool may_be_kept_back(const struct runner *runner, enum record_stream stream)
{
    return stream == STREAM_STDOUT && runner->has_child && !runner->options.tty && isatty(STDERR_FILENO);
}

static int add_output(struct runner *runner, int index, int from, int to, enum record_stream stream)
{
    struct pump_options options = {
        .from = from,
        .from_tty = runner->options.tty,
        .to = to,
        .recorder = runner->recorder,
        .stream = stream,
        .loop = runner->loop,
        .end_with_reader = !runner->options.keep_going && !runner->options.tty,
        .ended = runner_output_ended,
        .lost = runner_output_lost,
        .kept_back = may_be_kept_back(runner, stream) ? runner_output_kept_back : NULL,
        .arg = runner,
        .grace_ms = runner->options.grandchild_grace_ms,
    };
    int err = pump_new(&options, &runner->pumps[index]);
    runner->outputs_open += err == 0;
    return err;
}

// The command cannot be run. That is an outcome of the job, and the log says why.
static void child_failed(struct runner *runner, int err)
{
    CLEANUP(free_ptr) char *line = xasprintf("runnel: %s: %s", runner->options.command[0], strerror(-err));
    dprintf(STDERR_FILENO, "%s\n", line);
    struct record record = {.time_ms = clock_real_ms(), .stream = STREAM_STDERR, .message = str_of(line)};
    recorder_add(runner->recorder, &record);
    runner->exit_code = process_start_exit_code(err);
    runner_job_over(runner);
}

static int watch_child(struct runner *runner)
{
    int err = watch_new(runner->loop, runner->process.pidfd, runner_child_ended, runner, &runner->child_watch);
    if (err == 0)
        watch_set(runner->child_watch, WATCH_READ);
    if (err == 0)
        err = add_output(runner, 0, runner->process.out, STDOUT_FILENO, STREAM_STDOUT);
    if (err == 0 && !runner->options.tty)
        err = add_output(runner, 1, runner->process.err, STDERR_FILENO, STREAM_STDERR);
    return err;
}

static int start_child(struct runner *runner)
{
    CLEANUP(runner_environment_release) struct runner_environment environment = runner_environment_make(runner);
    struct process_options options = {
        .env = environment.all,
        .command = runner->options.command,
        .tty = runner->options.tty,
        .mask = &runner->signals.old_mask,
        .default_sigpipe = runner->signals.default_pipe,
    };
    while (environment.all[runner->env_vars_count])
        runner->env_vars_count++;
    terminal_init(&runner->terminal, &options.window);
    int err = process_start(&options, &runner->process);
    if (err < 0) {
        child_failed(runner, err);
        return 0;
    }
    runner->has_child = true;
    err = watch_child(runner);
    if (err == 0 && runner->options.tty)
        err = runner_tty_start(runner);
    if (err < 0) {
        // Its output cannot be read, so it must not run.
        process_signal(&runner->process, SIGKILL);
        watch_free(&runner->child_watch);
        runner->exit_code = process_reap(&runner->process);
        runner_job_over(runner);
        for (int i = 0; i < RUNNER_PUMPS; i++) {
            if (runner->pumps[i])
                pump_stop(runner->pumps[i]);
        }
    }
    return err;
}

static void start_delivery(struct runner *runner)
{
    struct delivery_options options = {
        .loop = runner->loop,
        .pool = runner->pool,
        .server = &runner->options.server,
        .run = &runner->run,
        .spool = runner->spool,
        .events = &runner_delivery_events,
        .arg = runner,
    };
    runner->delivery = delivery_new(&options);
}

static const char *again(const struct runner *runner)
{
    return runner->options.again_options ? runner->options.again_options : "";
}

static void tell_start(const struct runner *runner)
{
    const char *id = runner->run.execution_id;
    runner_notice(runner, "recording as %s (follow: runnel logs -f%s %s)", id, again(runner), id);
}

static int start(struct runner *runner)
{
    int err = runner->options.spool_max < RUNNER_SPOOL_MIN ? ERR_INVALID
                                                           : signals_block(&runner->signals, runner->options.tty);
    if (err == 0)
        err = make_spool(runner);
    if (err == 0)
        err = make_loop(runner);
    if (err == 0)
        err = make_recorder(runner);
    return err;
}

static int run_job(struct runner *runner)
{
    start_delivery(runner);
    tell_start(runner);
    if (runner->options.command) {
        // What its descendants leave behind falls to us: so a cancel finds all of them.
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
        runner->dir_fd = open(runner->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        runner_voice_start(runner);
        runner_outputs_start(runner);
    }
    int err = runner->options.command ? start_child(runner)
                                      : add_output(runner, 0, STDIN_FILENO, STDOUT_FILENO, STREAM_STDOUT);
    if (err < 0)
        runner_job_over(runner);
    runner_maybe_close(runner);
    loop_run(runner->loop);
    return err;
}

// How long to wait for logs that earlier runs have left, after our own log is sealed. Not longer than for ours.
static uint64_t resume_wait_ms(const struct runner *runner)
{
    uint64_t wait_ms = runner->options.deliver_wait_ms;
    if (!runner->sealed)
        return 0;
    return wait_ms > 0 ? MIN(wait_ms, (uint64_t)RESUME_WAIT_MS) : RESUME_WAIT_MS;
}

static void stop(struct runner *runner)
{
    bool reached = runner->delivery && delivery_reached(runner->delivery);
    runner->unreached = !reached;
    runner->stopping = true;
    for (int i = 0; i < RUNNER_PUMPS; i++)
        pump_join(runner->pumps[i]);
    runner_outputs_end(runner);
    delivery_free(&runner->delivery);
    watch_free(&runner->child_watch);
    watch_free(&runner->signal_watch);
    timer_free(&runner->kill_timer);
    timer_free(&runner->sync_timer);
    timer_free(&runner->patience_timer);
    timer_free(&runner->unreached_timer);
    timer_free(&runner->notice_timer);
    timer_free(&runner->foreground_timer);
    runner_voice_end(runner);
    close_fd(&runner->dir_fd);
    recorder_free(&runner->recorder);
    resume_finish(&runner->resume, resume_wait_ms(runner));
    pool_free(&runner->pool);
    loop_free(&runner->loop);
    for (int i = 0; i < RUNNER_PUMPS; i++)
        pump_free(&runner->pumps[i]);
    process_close(&runner->process);
    terminal_restore(&runner->terminal);
}

static int settle_spool(struct runner *runner)
{
    if (runner->sealed) {
        spool_remove(&runner->spool);
        return 0;
    }
    if (runner->delivery_err == ERR_EXPIRED && runner->run.epoch > 0) { // else another execution had this name
        runner_warn(runner, "so what was recorded is discarded");
        spool_remove(&runner->spool);
        return ERR_UNAVAILABLE;
    }
    int err = spool_sync(runner->spool);
    if (err == 0)
        err = run_file_sync(runner->dir);
    if (err < 0)
        runner_warn(runner, "what is left on disk may not be durable: %s", strerror(-err));
    const char *id = runner->run.execution_id;
    bool has_reason = runner->trouble.len > 0;
    if (refusal_is_for_good(runner->delivery_err))
        runner_warn(runner, "what was recorded stays in %s; remove that folder to discard it", runner->dir);
    else if (runner->delivery_err == ERR_UNPROVEN)
        runner_warn(runner,
                    "so what was recorded stays in %s. Compare it with `runnel logs%s %s`; `runnel wrap%s --resume "
                    "%s` tries again, and removing that folder discards it",
                    runner->dir, again(runner), id, again(runner), id);
    else
        runner_warn(
            runner,
            "%s%s%s%s%s; it stays in %s, and the next `runnel wrap` for this server delivers it, or: runnel wrap%s "
            "--resume %s",
            runner->unreached      ? runner->options.server.url
            : runner->outputs_wait ? "not all of what it has left is delivered"
                                   : "not all of the log is delivered",
            runner->unreached ? " was not reached, so the log is not delivered" : "", has_reason ? " (" : "",
            has_reason ? buf_cstr(&runner->trouble) : "", has_reason ? ")" : "", runner->dir, again(runner), id);
    return ERR_UNAVAILABLE;
}

int runner_run(const struct runner_options *options, int *ret_exit_code)
{
    struct runner runner = {
        .signals.fd = -1, .dir_fd = -1, .process = {.pidfd = -1, .out = -1, .err = -1}, .terminal.fd = -1};
    set_options(&runner, options);
    int err = start(&runner);
    bool started = err == 0;
    if (started)
        err = run_job(&runner);
    stop(&runner);
    if (started && err == 0) {
        *ret_exit_code = runner.exit_code == 0 && runner.pass_failed ? 1 : runner.exit_code;
        err = settle_spool(&runner);
    } else if (runner.spool) {
        spool_remove(&runner.spool); // nothing was run, so there is nothing to report
    }
    signals_restore(&runner.signals);
    spool_free(&runner.spool);
    run_file_release(&runner.run);
    buf_release(&runner.trouble);
    result_reader_release(&runner.result);
    free(runner.dir);
    return err;
}
