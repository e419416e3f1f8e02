// A run whose job has a pseudo-terminal. While we are in the foreground of our own terminal, it is raw and its keys go
// to the pseudo-terminal. The job leads a session of its own, with no shell above it. So the key that stops it is taken
// out of the input here, and we stop together with it.
#include "runner/runner_private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define FOREGROUND_MS 250 // nothing tells a process that a shell has moved it to the foreground, so we look this often

// Runs on the pump's thread. A job that has made process groups of its own (a shell), or wants raw keys (an editor),
// gets the stop key as well.
static size_t before_stop_key(void *arg, const char *data, size_t len)
{
    const struct runner *runner = arg;
    struct termios modes;
    if (tcgetattr(runner->process.out, &modes) < 0 || !(modes.c_lflag & ISIG) || modes.c_cc[VSUSP] == _POSIX_VDISABLE)
        return len;
    const char *key = memchr(data, modes.c_cc[VSUSP], len);
    return key && process_in_foreground(&runner->process) ? (size_t)(key - data) : len;
}

static void stop_key_came(void *arg)
{
    struct runner *runner = arg;
    if (!runner->stopping && !runner->job_over)
        runner_tty_suspend(runner);
}

static void input_ended(void *arg)
{
    struct runner *runner = arg;
    runner->input_open = false;
    // A raw terminal has no end of input: it is gone, and so is the job's.
    if (!runner->stopping && !runner->job_over)
        process_signal(&runner->process, SIGHUP);
}

static int add_input(struct runner *runner, bool paused)
{
    struct pump_options options = {
        .from = STDIN_FILENO,
        .to = runner->process.out,
        .before_key = before_stop_key,
        .keyed = stop_key_came,
        .paused = paused,
        .loop = runner->loop,
        .ended = input_ended,
        .arg = runner,
        .grace_ms = runner->options.grandchild_grace_ms,
    };
    int err = pump_new(&options, &runner->pumps[RUNNER_INPUT]);
    runner->input_open = err == 0;
    return err;
}

int runner_tty_start(struct runner *runner)
{
    if (runner->terminal.fd != STDIN_FILENO)
        return 0; // the job reads our stdin itself
    bool in_foreground = terminal_in_foreground(&runner->terminal);
    int err = add_input(runner, !in_foreground);
    runner_tty_settle(runner);
    return err;
}

void runner_tty_settle(void *arg)
{
    struct runner *runner = arg;
    if (runner->job_over || !runner->input_open)
        return;
    bool in_foreground = terminal_in_foreground(&runner->terminal);
    if (!in_foreground) {
        pump_pause(runner->pumps[RUNNER_INPUT], true);
        runner->terminal.raw = false; // the shell has set its own modes
        timer_start(runner->foreground_timer, FOREGROUND_MS);
        return;
    }
    terminal_raw(&runner->terminal);
    runner_tty_resize(runner);
    pump_pause(runner->pumps[RUNNER_INPUT], false);
}

void runner_tty_suspend(struct runner *runner)
{
    if (runner->input_open)
        pump_pause(runner->pumps[RUNNER_INPUT], true);
    process_signal(&runner->process, SIGSTOP); // SIGTSTP does not stop a group that has no shell above it
    terminal_restore(&runner->terminal);
    signals_stop_group();
    process_signal(&runner->process, SIGCONT);
    runner_tty_settle(runner);
}

void runner_tty_resize(const struct runner *runner)
{
    struct winsize window;
    if (runner->options.tty && terminal_window(&runner->terminal, &window))
        ioctl(runner->process.out, TIOCSWINSZ, &window);
}
