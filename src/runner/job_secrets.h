// The secrets of a job on their way from its worker to its runner: in memory that has no name (memfd), never in a file.
#pragma once

#include "model/mask.h"
#include "util/error.h"

#include <jansson.h>

struct job_secrets { // a zeroed one is empty
    char **env;      // "NAME=VALUE", owned
    size_t count;
    struct mask *mask; // of all values; NULL without any
};

// `values`: an object of the values by the names of their variables. *ret_fd is for the runner, and the caller closes
// it. -errno.
int job_secrets_pass(const json_t *values, int *ret_fd);
// Reads and closes it. ERR_CORRUPT, or -errno. fd -1: there are none.
int job_secrets_take(int fd, struct job_secrets *ret);
bool job_secrets_set(const struct job_secrets *secrets, const char *variable); // "NAME=…": whether one has that name
void job_secrets_release(struct job_secrets *secrets);
