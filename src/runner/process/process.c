#include "runner/process/process.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PIPE_SIZE (1024 * 1024) // fewer wake-ups on both sides when the child writes much

// The descriptors that the child gets.
struct child_fds {
    int out, err;
    char *tty_path;
};

static void child_fds_release(struct child_fds *fds)
{
    close_fd(&fds->out);
    close_fd(&fds->err);
    free(fds->tty_path);
}

static int make_pipe(int *ret_read, int *ret_write)
{
    int fds[2];
    if (pipe2(fds, O_CLOEXEC) < 0)
        return -errno;
    // Not every user may have so much; the usual size works as well.
    if (fcntl(fds[1], F_SETPIPE_SZ, PIPE_SIZE) < 0)
        errno = 0;
    *ret_read = fds[0];
    *ret_write = fds[1];
    return 0;
}

static int make_tty(const struct winsize *window, struct process *process, struct child_fds *fds)
{
    char path[64];
    process->out = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (process->out < 0)
        return -errno;
    if (grantpt(process->out) < 0 || unlockpt(process->out) < 0)
        return -errno;
    int err = ptsname_r(process->out, path, sizeof(path));
    if (err)
        return -err;
    fds->tty_path = xstrdup(path);
    // Kept open until the child has it, because a master whose slaves are all closed is at its end.
    fds->out = open(path, O_RDWR | O_NOCTTY | O_CLOEXEC);
    if (fds->out < 0)
        return -errno;
    if (window->ws_row > 0 && ioctl(process->out, TIOCSWINSZ, window) < 0)
        return -errno;
    return 0;
}

static bool has_terminal(void)
{
    CLEANUP(close_fd) int fd = open("/dev/tty", O_RDWR | O_NOCTTY | O_CLOEXEC);
    return fd >= 0;
}

static void set_actions(posix_spawn_file_actions_t *actions, const struct child_fds *fds)
{
    if (fds->tty_path) {
        // The leader of a new session gets the first terminal that it opens as its controlling terminal.
        posix_spawn_file_actions_addopen(actions, STDOUT_FILENO, fds->tty_path, O_RDWR, 0);
        posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDERR_FILENO);
        if (isatty(STDIN_FILENO))
            posix_spawn_file_actions_adddup2(actions, STDOUT_FILENO, STDIN_FILENO);
        return;
    }
    posix_spawn_file_actions_adddup2(actions, fds->out, STDOUT_FILENO);
    posix_spawn_file_actions_adddup2(actions, fds->err, STDERR_FILENO);
}

static void set_attributes(posix_spawnattr_t *attributes, const struct process_options *options,
                           struct process *process)
{
    short flags = POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF;
    sigset_t defaults;
    sigemptyset(&defaults);
    if (options->default_sigpipe)
        sigaddset(&defaults, SIGPIPE);
    posix_spawnattr_setsigmask(attributes, options->mask);
    posix_spawnattr_setsigdefault(attributes, &defaults);
    if (options->tty) {
        flags |= POSIX_SPAWN_SETSID;
        process->group = true;
    } else if (!has_terminal()) {
        flags |= POSIX_SPAWN_SETPGROUP;
        process->group = true;
    }
    // On a terminal the child stays in our group. So job control, Ctrl-C and reading from the terminal work as without
    // us.
    posix_spawnattr_setflags(attributes, flags);
}

static int spawn(const struct process_options *options, const struct child_fds *fds, struct process *process)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    set_actions(&actions, fds);
    set_attributes(&attributes, options, process);
    char *const *env = options->env ? options->env : environ;
    int err = posix_spawnp(&process->pid, options->command[0], &actions, &attributes, options->command, env);
    if (err == ENOEXEC) {
        // A script without "#!" is run by the shell, as everywhere else.
        size_t count = 0;
        while (options->command[count])
            count++;
        char **command = xcalloc(count + 2, sizeof(*command));
        command[0] = (char *)(uintptr_t) "sh";
        memcpy(command + 1, options->command, count * sizeof(*command));
        err = posix_spawn(&process->pid, "/bin/sh", &actions, &attributes, command, env);
        free(command);
    }
    posix_spawn_file_actions_destroy(&actions);
    posix_spawnattr_destroy(&attributes);
    return -err;
}

int process_start(const struct process_options *options, struct process *ret)
{
    CLEANUP(child_fds_release) struct child_fds fds = {.out = -1, .err = -1};
    struct process process = {.pidfd = -1, .out = -1, .err = -1};
    int err;
    if (options->tty)
        err = make_tty(&options->window, &process, &fds);
    else if ((err = make_pipe(&process.out, &fds.out)) == 0)
        err = make_pipe(&process.err, &fds.err);
    if (err == 0)
        err = spawn(options, &fds, &process);
    if (err == 0) {
        // The child was not waited for yet, so the pid is still its own.
        process.pidfd = (int)syscall(SYS_pidfd_open, process.pid, 0);
        if (process.pidfd < 0) {
            err = -errno;
            process_signal(&process, SIGKILL);
            waitpid(process.pid, NULL, 0);
        }
    }
    if (err < 0) {
        process_close(&process);
        return err;
    }
    *ret = process;
    return 0;
}

void process_signal(const struct process *process, int signum)
{
    // A group exists while it has members, even without its leader, and its number is not reused. When the last member
    // is gone, the number may become that of a new group. So nothing is sent after the leader is reaped.
    if (!process->reaped)
        kill(process->group ? -process->pid : process->pid, signum);
}

bool process_stopped(const struct process *process)
{
    siginfo_t info = {0};
    return !process->reaped && waitid(P_PID, (id_t)process->pid, &info, WSTOPPED | WNOHANG) == 0 && info.si_pid > 0;
}

bool process_in_foreground(const struct process *process)
{
    return tcgetpgrp(process->out) == process->pid;
}

void process_reap_others(const struct process *process)
{
    for (;;) {
        siginfo_t info = {0};
        if (waitid(P_ALL, 0, &info, WEXITED | WNOHANG | WNOWAIT) < 0 || info.si_pid == 0)
            return;
        // Our child is told by its pidfd. Until it is reaped, waitid may report it instead of the others.
        if (info.si_pid == process->pid && !process->reaped)
            return;
        waitpid(info.si_pid, NULL, WNOHANG);
    }
}

int process_reap(struct process *process)
{
    int status = 0;
    while (waitpid(process->pid, &status, 0) < 0 && errno == EINTR)
        ;
    process->reaped = true;
    return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

void process_close(struct process *process)
{
    close_fd(&process->pidfd);
    close_fd(&process->out);
    close_fd(&process->err);
}

int process_start_exit_code(int err)
{
    return err == -ENOENT || err == -ENOTDIR ? 127 : 126;
}
