// Listening unix sockets and the files that name them.
#pragma once

#include "util/str.h"

#include <sys/types.h>

struct unix_socket {
    int fd; // -1: none
    char *path;
    dev_t device; // of the file that was made
    ino_t inode;
};

// Makes the file with `mode` and listens. A file that a dead server left is replaced; -EADDRINUSE if somebody listens
// there, -EEXIST if what is there is no socket, ERR_MALFORMED for a path that is empty or longer than the kernel takes
// (107 bytes), else -errno.
int unix_socket_open(const char *path, mode_t mode, struct unix_socket *ret);
void unix_socket_close(struct unix_socket *socket); // removes the file, if it is still the one that was made
