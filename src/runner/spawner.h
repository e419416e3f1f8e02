// A small process that starts the runners of jobs. It is forked before its parent has threads and much memory, so each
// of its forks is cheap and safe. It ends when the last copy of its request socket is closed; the runners go on.
#pragma once

#include "runner/process/confine.h"

struct spawner {
    int fd; // -1: there is none; readable when it has died
};

// The calling process must have one thread. `hidden`: the folders that most jobs are not to see, so that they are
// confined quickly; NULL: none. Returns 0 or -errno.
int spawner_start(const char *const hidden[CONFINE_PATHS_MAX], struct spawner *ret);
// Asks for the runner of the job in `dir`. It gets `secrets_fd`, which is borrowed, and -1 without one. *ret_control is
// our end of a control connection to it; it ends at once if the runner could not be started. Does not wait. Returns 0
// or -errno; -EAGAIN: too many are being asked for.
int spawner_ask(const struct spawner *spawner, const char *dir, int secrets_fd, int *ret_control);
void spawner_stop(struct spawner *spawner);
