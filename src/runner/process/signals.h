// The signals that a runner passes on, as events of its loop. They are blocked in all threads that are started after signals_block.
#pragma once

#include "util/error.h"

#include <signal.h>

struct signals {
    int fd; // readable when one came
    sigset_t old_mask;
    struct sigaction old_pipe;
    bool default_pipe; // SIGPIPE was not ignored before, so it must not be for a child
};

int signals_block(struct signals *signals);
// False when there is none. *ret_by_terminal: the kernel sent it to the whole foreground group, because of a key or a hang-up.
bool signals_read(struct signals *signals, int *ret_signum, bool *ret_by_terminal);
void signals_restore(struct signals *signals);
