// Opens what lies beneath a folder, whatever somebody else may have put there: no symbolic link is followed, and
// nothing outside is reached. Errors are -errno: -ELOOP, -EXDEV or (for a link where a folder should be) -ENOTDIR for
// what would leave it.
#pragma once

#include "util/str.h"

#include <sys/types.h>

// `flags` and `mode` as for open(2); O_CLOEXEC and O_NOFOLLOW come with it. "." is the folder itself. It opens a FIFO
// without waiting for its other end only with O_NONBLOCK. Returns the descriptor.
int beneath_open(int dir_fd, const char *path, int flags, mode_t mode);
// Makes the folders above `path`, and opens the one that it is in; *ret_name is its last part, within `path`.
int beneath_open_parent(int dir_fd, const char *path, mode_t mode, const char **ret_name);
