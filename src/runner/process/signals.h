// The signals that a runner passes on, and SIGCHLD, as events of its loop. They are blocked in all threads that are
// started after signals_block.
#pragma once

#include "util/error.h"

#include <signal.h>

struct signals {
    int fd; // readable when one came
    sigset_t old_mask;
    struct sigaction old_pipe;
    bool default_pipe; // SIGPIPE was not ignored before, so it must not be for a child
};

// With `job_control` those that stop and continue come as well: whoever has given the child a terminal of its own stops
// with it.
int signals_block(struct signals *signals, bool job_control);
// Stops our process group as the terminal's key would; returns when it goes on. At once if nobody could continue it.
void signals_stop_group(void);
// False when there is none. *ret_by_terminal: the kernel sent it to the whole foreground group, because of a key or a
// hang-up.
bool signals_read(struct signals *signals, int *ret_signum, bool *ret_by_terminal);
void signals_restore(struct signals *signals);
