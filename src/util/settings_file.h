// Files of settings, by libconfuse: `name = value`, `name = {"a", "b"}` and titled sections, `context "home" { url = "…" }`. Values in
// double quotes or without any may name environment variables as ${NAME}. Not thread-safe: libconfuse's scanner is one for the process.
#pragma once

#include "util/buf.h"

struct settings_name {
    const char *name;
    bool is_list;
};

struct settings_form { // the arrays end with a NULL name; either may be NULL
    const struct settings_name *top;
    const char *section; // the one kind of titled section; NULL: none
    const struct settings_name *in_section;
};

#define SETTINGS_FILE_MAX ((size_t)1024 * 1024)

// Calls `each` for everything that the file sets: first the top, then section by section as they stand; `title` is NULL at the top. An
// answer other than 0 ends it and is returned. -errno if the file cannot be read; ERR_INVALID, with "FILE:LINE: what" in *ret_error.
typedef int settings_each_fn(void *arg, const char *title, const char *name, const char *const *values, size_t count);
int settings_file_read(const char *path, const struct settings_form *form, settings_each_fn *each, void *arg,
                       struct buf *ret_error);
