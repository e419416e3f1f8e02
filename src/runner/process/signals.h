// The signals that a runner passes on, and SIGCHLD, as events of its loop. All threads that are started after
// signals_block have them blocked.
#pragma once

#include "util/error.h"

#include <signal.h>

struct signals {
    int fd; // readable when a signal came
    sigset_t old_mask;
    struct sigaction old_pipe;
    bool default_pipe; // SIGPIPE was not ignored before, so it must not be ignored in a child
};

// With `job_control`, the signals for stop and continue come as well. A runner that has given its child a terminal of
// its own stops together with it.
int signals_block(struct signals *signals, bool job_control);
// Stops our process group as the terminal's key would, and returns when it is continued. Returns at once if nobody
// could continue it.
void signals_stop_group(void);
// Returns false when there is no signal. *ret_by_terminal: the kernel sent it to the whole foreground group, because of
// a key or a hang-up.
bool signals_read(struct signals *signals, int *ret_signum, bool *ret_by_terminal);
void signals_restore(struct signals *signals);
