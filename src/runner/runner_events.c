// The events of a run, and what follows from each.
#include "runner/process/descendants.h"
#include "runner/refusal.h"
#include "runner/run_details.h"
#include "runner/runner_private.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define KILL_AGAIN_MS   200
#define TELL_WAITING_MS 2000

static void stop_loop_when_over(struct runner *runner)
{
    if (!runner->killing_rest && runner->recorded &&
        (runner->sealed || runner->delivery_err < 0 || runner->record_err < 0 || runner->impatient))
        loop_stop(runner->loop);
}

// --- The child and its pipes

void runner_job_over(struct runner *runner)
{
    if (runner->job_over)
        return;
    runner->run.ended_ms = clock_real_ms();
    runner->job_over = true;
    // The time counts from here and not from the end of the recording, which a full spool may delay.
    if (runner->options.deliver_wait_ms > 0)
        timer_start(runner->patience_timer, runner->options.deliver_wait_ms);
}

void runner_maybe_close(struct runner *runner)
{
    if (runner->job_over && runner->outputs_open == 0 && !runner->recording_closed) {
        runner->recording_closed = true;
        terminal_restore(&runner->terminal); // from now on Ctrl-C is for us
        runner_voice_end(runner);
        recorder_close(runner->recorder);
    }
}

// For `pipe`: our writer must get SIGPIPE, and we end like any filter that is killed by it.
static void close_input(struct runner *runner)
{
    CLEANUP(close_fd) int null = open("/dev/null", O_RDWR | O_CLOEXEC);
    if (null >= 0)
        dup2(null, STDIN_FILENO); // keeps the number from becoming another file's
    runner->exit_code = 128 + SIGPIPE;
}

// When the read end is closed, the writer gets SIGPIPE or EPIPE at its next write.
static void close_unread_outputs(struct runner *runner)
{
    int *const read_ends[] = {&runner->process.out, &runner->process.err};
    for (size_t i = 0; i < ARRAY_LEN(read_ends); i++) {
        if (!runner->pumps[i] || !pump_ended_with_reader(runner->pumps[i]))
            continue;
        if (runner->has_child)
            close_fd(read_ends[i]);
        else if (!runner->job_over)
            close_input(runner);
    }
}

void runner_output_ended(void *arg)
{
    struct runner *runner = arg;
    runner->outputs_open--;
    close_unread_outputs(runner);
    if (!runner->has_child)
        runner_job_over(runner); // for `pipe`
    runner_maybe_close(runner);
}

void runner_output_kept_back(void *arg, uint64_t quiet_ms)
{
    runner_notice(
        arg,
        "nothing came for %llu s, and then much at once: the command seems to keep its output back, as many do that "
        "do not write to a terminal; `runnel wrap -t` gives it one",
        (unsigned long long)quiet_ms / 1000);
}

void runner_output_lost(void *arg, enum record_stream stream, int err)
{
    struct runner *runner = arg;
    if (err != -EPIPE) {
        runner->pass_failed = true;
        runner_warn(runner, "%s cannot be written: %s; what the job writes there is recorded all the same",
                    record_stream_name(stream), strerror(-err));
    } else if (runner->options.tty && !runner->options.keep_going && !runner->job_over) {
        process_signal(&runner->process, SIGHUP); // as if the terminal were gone
    }
}

void runner_child_ended(void *arg, unsigned events)
{
    struct runner *runner = arg;
    (void)events;
    watch_free(&runner->child_watch);
    runner->exit_code = process_reap(&runner->process);
    runner_job_over(runner);
    for (int i = 0; i < RUNNER_PUMPS; i++) {
        if (runner->pumps[i])
            pump_writer_exited(runner->pumps[i]);
    }
    timer_stop(runner->foreground_timer);
    if (runner->input_open)
        pump_stop(runner->pumps[RUNNER_INPUT]);
    process_reap_others(&runner->process);
    // It was told to end with all that it has started: those that have not yet have the rest of the grace.
    runner->killing_rest = runner->cancelled && descendants_left();
    if (!runner->killing_rest)
        timer_stop(runner->kill_timer);
    runner_maybe_close(runner);
}

// To all that descends from the job, also in sessions of its own.
static void signal_all(const struct runner *runner, int signum)
{
    if (descendants_signal(signum) < 0)
        process_signal(&runner->process, signum); // without /proc
}

static void check_rest(struct runner *runner)
{
    if (!runner->killing_rest || descendants_left())
        return;
    runner->killing_rest = false;
    timer_stop(runner->kill_timer);
    stop_loop_when_over(runner);
}

void runner_kill_child(void *arg)
{
    struct runner *runner = arg;
    signal_all(runner, SIGKILL);
    timer_start(runner->kill_timer, KILL_AGAIN_MS);
    check_rest(runner);
}

// --- Signals

static void signal_for_pipe(struct runner *runner, int signum, bool by_terminal)
{
    bool ends = signum == SIGINT || signum == SIGTERM || signum == SIGHUP || signum == SIGQUIT;
    // The writer got the key's signal, too. What it still has to say is wanted.
    if (!ends || (by_terminal && !runner->interrupted_once)) {
        runner->interrupted_once = ends;
        return;
    }
    runner->exit_code = 128 + signum;
    runner->cancelled = true;
    pump_stop(runner->pumps[0]);
}

static void signal_for_child(struct runner *runner, int signum, bool by_terminal)
{
    if (signum == SIGWINCH)
        runner_tty_resize(runner); // without a pseudo-terminal the kernel tells the child
    else if (signum == SIGTSTP)
        runner_tty_suspend(runner);
    else if (signum == SIGCONT)
        runner_tty_settle(runner);
    else if (!by_terminal || runner->process.group) // otherwise the child is in our group and has got it already
        process_signal(&runner->process, signum);
}

static void child_changed(struct runner *runner)
{
    process_reap_others(&runner->process);
    check_rest(runner);
    if (runner->terminal.raw && process_stopped(&runner->process))
        runner_tty_suspend(runner); // the child has stopped itself
}

void runner_signal_came(void *arg, unsigned events)
{
    struct runner *runner = arg;
    int signum;
    bool by_terminal;
    (void)events;
    while (signals_read(&runner->signals, &signum, &by_terminal)) {
        bool ends = signum == SIGINT || signum == SIGTERM || signum == SIGHUP || signum == SIGQUIT;
        if (signum == SIGCHLD)
            child_changed(runner);
        else if (!runner->job_over && runner->has_child)
            signal_for_child(runner, signum, by_terminal);
        else if (!runner->job_over)
            signal_for_pipe(runner, signum, by_terminal);
        else if (ends)
            runner_patience_ended(runner);
    }
}

// --- The recorder

static void on_spooled(void *arg)
{
    struct runner *runner = arg;
    delivery_spooled(runner->delivery);
    runner_sync_soon(runner);
}

static void on_waiting(void *arg)
{
    runner_notice(arg, "the spool is full: the job waits until the server has taken some of it");
}

static void take_result(struct runner *runner, struct buf *ret)
{
    const char *reason;
    if (runner->options.wants_result && runner->has_child && !result_take(&runner->result, ret, &reason))
        runner_notice(runner, "no result is kept: %s", reason);
}

static void add_details(struct runner *runner)
{
    CLEANUP(buf_release) struct buf result = {0};
    CLEANUP(buf_release) struct buf text = {0};
    struct run_details details = {.env_vars_count = runner->env_vars_count};
    if (!runner->has_child) // `pipe`, or what could not be started
        return;
    take_result(runner, &result);
    details.result = buf_str(&result);
    run_details_measure(&details);
    run_details_append(&details, &text);
    runner->run.details_json = buf_take(&text);
}

static void on_finished(void *arg, int err)
{
    struct runner *runner = arg;
    runner->recorded = true;
    runner->record_err = err;
    if (err < 0) {
        runner_warn(runner, "the recording ended early: %s",
                    err == ERR_STORE_FULL ? "the spool is full" : strerror(-err));
        stop_loop_when_over(runner);
        return;
    }
    runner_outputs_close(runner);
    runner->run.ended = runner->run.has_exit_code = true;
    runner->run.records = spool_next(runner->spool);
    runner->run.exit_code = runner->exit_code;
    if (runner->cancelled)
        snprintf(runner->run.status, sizeof(runner->run.status), "cancelled");
    add_details(runner);
    // It is saved before the server hears of it. If we are killed now, the next process must report the same outcome.
    err = runner_save_run(runner);
    if (err < 0)
        runner_warn(runner, "the outcome could not be saved: %s", strerror(-err));
    runner_outputs_complete(runner);
    if (runner->options.give_up_unreached && !delivery_reached(runner->delivery))
        timer_start(runner->unreached_timer, RUNNER_UNREACHED_WAIT_MS);
    timer_start(runner->notice_timer, TELL_WAITING_MS);
    stop_loop_when_over(runner);
}

const struct recorder_events runner_recorder_events = {on_spooled, on_waiting, runner_added, on_finished};

// Unless somebody has said how long, an upload that moves on is waited for.
void runner_patience_due(void *arg)
{
    struct runner *runner = arg;
    if (runner->options.give_up_unreached && runner_outputs_move(runner))
        timer_start(runner->patience_timer, runner->options.deliver_wait_ms);
    else
        runner_patience_ended(runner);
}

void runner_patience_ended(void *arg)
{
    struct runner *runner = arg;
    runner->impatient = true;
    if (!runner->recorded)
        recorder_overrun(runner->recorder);
    stop_loop_when_over(runner);
}

// The job has ended, and the server was never reached: the next run or `--resume` must deliver this log.
void runner_unreached(void *arg)
{
    struct runner *runner = arg;
    runner->impatient |= !delivery_reached(runner->delivery);
    stop_loop_when_over(runner);
}

void runner_tell_waiting(void *arg)
{
    const struct runner *runner = arg;
    CLEANUP(buf_release) struct buf what = {0};
    uint64_t lag = delivery_lag(runner->delivery);
    if (lag > 0 || !runner->outputs_wait)
        buf_printf(&what, "%llu more record%s", (unsigned long long)lag, lag == 1 ? "" : "s");
    runner_outputs_append(runner, &what);
    runner_notice(runner, "the job has ended; waiting for the server to take %s (Ctrl-C leaves them on disk)",
                  buf_cstr(&what));
}

// --- The delivery

static void on_acked(void *arg)
{
    struct runner *runner = arg;
    recorder_room(runner->recorder);
    runner_outputs_go_on(runner);
    // The server can be reached, so it may get what earlier runs have left, too.
    if (!runner->resume_begun)
        runner->resume = resume_start(&runner->options);
    runner->resume_begun = true;
}

static void on_changed(void *arg)
{
    struct runner *runner = arg;
    int err = runner_save_run(runner);
    if (err < 0)
        runner_warn(runner, "the state of the run could not be saved: %s", strerror(-err));
    runner->told_away = false;
}

static void on_cancel(void *arg, const char *reason, uint64_t grace_ms)
{
    struct runner *runner = arg;
    if (runner->job_over || runner->cancelled)
        return;
    runner->cancelled = true;
    runner_notice(runner, "cancelled by the server%s%s", reason ? ": " : "", reason ? reason : "");
    if (runner->has_child) {
        signal_all(runner, SIGTERM);
        timer_start(runner->kill_timer, grace_ms);
    } else {
        runner->exit_code = 128 + SIGTERM;
        pump_stop(runner->pumps[0]);
    }
}

static void on_delivered(void *arg)
{
    struct runner *runner = arg;
    runner->told_away = false;
    buf_reset(&runner->trouble);
}

static void on_trouble(void *arg, int err, const char *text)
{
    struct runner *runner = arg;
    buf_reset(&runner->trouble);
    buf_append_text(&runner->trouble, text);
    if (runner->recorded && runner->options.give_up_unreached && !delivery_reached(runner->delivery)) {
        runner_unreached(runner);
        return;
    }
    // The server may still hold our own earlier connection; that is no news for people.
    if (err == ERR_HELD || runner->told_away)
        return;
    runner->told_away = true;
    runner_notice(runner, "%s: %s; recording to disk and trying again", runner->options.server.url, text);
}

static void on_ended(void *arg, int err, const char *text)
{
    struct runner *runner = arg;
    runner->sealed = err == 0;
    runner->delivery_err = err;
    if (err < 0) {
        CLEANUP(buf_release) struct buf reason = {0};
        refusal_append(&reason, &runner->run, err, text);
        runner_warn(runner, "%s does not take this log: %s", runner->options.server.url, buf_cstr(&reason));
        // Nothing will be acked any more. A log that nobody takes must not block the job.
        recorder_abandon(runner->recorder);
    }
    stop_loop_when_over(runner);
}

const struct delivery_events runner_delivery_events = {on_acked,     on_changed, on_cancel,
                                                       on_delivered, on_trouble, on_ended};
