#include "runner/process/signals.h"

#include <errno.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};
static const int job_control_signals[] = {SIGTSTP, SIGCONT};

int signals_block(struct signals *signals, bool job_control)
{
    sigset_t set;
    const struct sigaction ignore = {.sa_handler = SIG_IGN}, standard = {.sa_handler = SIG_DFL};
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(passed_on); i++)
        sigaddset(&set, passed_on[i]);
    for (size_t i = 0; i < ARRAY_LEN(job_control_signals) && job_control; i++)
        sigaddset(&set, job_control_signals[i]);
    sigaddset(&set, SIGCHLD);
    // Ignored signals (nohup) stay ignored: they come neither here nor to the child.
    signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals->fd < 0)
        return -errno;
    pthread_sigmask(SIG_BLOCK, &set, &signals->old_mask);
    sigaction(SIGCHLD, &standard,
              NULL); // if it was inherited as ignored, the exit codes of children would be lost
    sigaction(SIGPIPE, &ignore, &signals->old_pipe);
    signals->default_pipe = signals->old_pipe.sa_handler != SIG_IGN;
    return 0;
}

void signals_stop_group(void)
{
    sigset_t stop;
    sigemptyset(&stop);
    sigaddset(&stop, SIGTSTP);
    kill(0, SIGTSTP);
    // The signal is pending now. The kernel drops it for a group that has no shell above it.
    pthread_sigmask(SIG_UNBLOCK, &stop, NULL);
    pthread_sigmask(SIG_BLOCK, &stop, NULL);
}

bool signals_read(struct signals *signals, int *ret_signum, bool *ret_by_terminal)
{
    struct signalfd_siginfo info;
    if (read(signals->fd, &info, sizeof(info)) != (ssize_t)sizeof(info))
        return false;
    *ret_signum = (int)info.ssi_signo;
    *ret_by_terminal = info.ssi_code == SI_KERNEL;
    return true;
}

void signals_restore(struct signals *signals)
{
    if (signals->fd < 0)
        return;
    close_fd(&signals->fd);
    sigaction(SIGPIPE, &signals->old_pipe, NULL);
    pthread_sigmask(SIG_SETMASK, &signals->old_mask, NULL);
}
