// Addresses of unix sockets, however long their paths are. The kernel takes 107 bytes; a longer path goes through the
// descriptor of its folder and /proc.
#pragma once

#include "util/str.h"

#include <sys/un.h>

#define UNIX_PATH_NAME_MAX 85 // bytes of a path's last part that always fit

struct unix_path {
    struct sockaddr_un address;
    int dir_fd; // of the folder, through which the address goes; -1: it is the path itself
};
// The address holds as long as *ret does. Errors: ERR_MALFORMED if the path is empty, -ENAMETOOLONG if even its last
// part alone is too long, else -errno of its folder.
int unix_path_find(const char *path, struct unix_path *ret);
void unix_path_release(struct unix_path *path);
// Of `name` in a folder, which has to stay open. Returns 0 or -ENAMETOOLONG.
int unix_path_at(int dir_fd, const char *name, struct sockaddr_un *ret);
