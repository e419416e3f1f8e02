// What keeps a server from starting, as the first line of its standard error.
#pragma once

// `detail` is a path or a reason; it may be NULL. Returns `err`.
int server_fail(int err, const char *fmt, const char *detail);
// Of a path, with the text of the error. `err`: one of ours, or minus an errno; then ERR_IO is returned.
int server_fail_path(const char *what, const char *path, int err);
