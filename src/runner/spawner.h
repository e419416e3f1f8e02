// A small process that starts the runners of jobs: forked before its parent has threads and much memory, so that each
// of its forks is cheap and safe. It ends with the last copy of the socket that it is asked by; the runners go on.
#pragma once

#include "util/error.h"

struct spawner {
    int fd; // -1: there is none; readable when it has died
};

// To be called by a process of one thread. -errno.
int spawner_start(struct spawner *ret);
// Asks for the runner of the job in `dir`, with *ret_control our end of a control connection to it. That ends at once
// if it could not be started. Does not wait. -errno; -EAGAIN: too many are asked for at once.
int spawner_ask(const struct spawner *spawner, const char *dir, int *ret_control);
void spawner_stop(struct spawner *spawner);
