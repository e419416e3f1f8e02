// Listening unix sockets and their files.
#pragma once

#include "util/str.h"

#include <sys/types.h>

struct unix_socket {
    int fd; // -1: none
    char *path;
    dev_t device; // of the file that was made here
    ino_t inode;
};

// Makes the file with `mode` and listens. It replaces the file of a dead server. Errors: -EADDRINUSE if somebody
// listens there, -EEXIST if the file is not a socket, ERR_MALFORMED if the path is empty, -ENAMETOOLONG if its last
// part is longer than util/unix_path.h can address, else -errno.
int unix_socket_open(const char *path, mode_t mode, struct unix_socket *ret);
void unix_socket_close(struct unix_socket *socket); // removes the file if it is still the one that was made
