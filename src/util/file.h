// Files: reads and writes that are complete or fail. Errors are -errno.
#pragma once

#include "util/buf.h"

int file_read_all(const char *path, size_t max, struct buf *ret); // -EFBIG if the file is larger than `max`
int file_read_fd(int fd, size_t max, struct buf *ret); // the same from where it stands; `fd` stays the caller's
// Writes all of it; goes on after EINTR and short writes. Blocks, even if another process has made the descriptor
// non-blocking.
int file_write_full(int fd, const void *data, size_t len);
// Writes a new file `path` with `mode`: a temporary file, fsync, and rename. The folder is synced too.
int file_write_atomic(const char *path, const void *data, size_t len, unsigned mode);
// Moves a file to a new name. To another file system it copies, first to PATH.partial with mode 0600. The folders are
// synced. Returns -EEXIST, and changes neither, if `to` or its .partial exists.
int file_move(const char *from, const char *to);
int dir_make_all(const char *path, unsigned mode); // as mkdir -p does; an existing folder is fine
int dir_sync(const char *path);
// Deletes a folder with all that is in it, whatever it is called, however deep it is and whoever may not read it.
// Symbolic links are deleted, not followed.
int dir_remove_all(const char *path);
// Opens /dev/null for each closed descriptor from 0 to 2. For main, before it opens anything. Returns 0 or -errno.
int standard_fds_fill(void);
