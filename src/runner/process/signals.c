#include "runner/process/signals.h"

#include <errno.h>
#include <pthread.h>
#include <sys/signalfd.h>
#include <unistd.h>

static const int passed_on[] = {SIGINT, SIGTERM, SIGHUP, SIGQUIT, SIGUSR1, SIGUSR2, SIGWINCH};

int signals_block(struct signals *signals)
{
    sigset_t set;
    const struct sigaction ignore = {.sa_handler = SIG_IGN};
    sigemptyset(&set);
    for (size_t i = 0; i < ARRAY_LEN(passed_on); i++)
        sigaddset(&set, passed_on[i]);
    // Those that were ignored (nohup) stay so: they come neither here nor to the child.
    signals->fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    if (signals->fd < 0)
        return -errno;
    pthread_sigmask(SIG_BLOCK, &set, &signals->old_mask);
    sigaction(SIGPIPE, &ignore, &signals->old_pipe);
    signals->default_pipe = signals->old_pipe.sa_handler != SIG_IGN;
    return 0;
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
