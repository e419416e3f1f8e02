// Files: whole reads and writes that are complete or an error. Errors are -errno.
#pragma once

#include "util/buf.h"

int file_read_all(const char *path, size_t max, struct buf *ret); // -EFBIG when larger than `max`
// All of it, over EINTR and short writes. Blocks, also when somebody else has made the descriptor non-blocking.
int file_write_full(int fd, const void *data, size_t len);
// Writes a new file `path` with `mode` by way of a temporary one, fsync and rename; the folder is synced too.
int file_write_atomic(const char *path, const void *data, size_t len, unsigned mode);
// Moves a file to a new name, if need be by a copy (to PATH.partial first, mode 0600) to another file system; the
// folders are synced. -EEXIST, and both are as they were, if `to` is there, or its .partial.
int file_move(const char *from, const char *to);
int dir_make_all(const char *path, unsigned mode); // mkdir -p; an existing one is fine
int dir_sync(const char *path);
// Opens /dev/null for each of the descriptors 0 to 2 that is closed. For main, before anything is opened. 0 or -errno.
int standard_fds_fill(void);
