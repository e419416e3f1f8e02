// Files of settings, by libconfuse: `name = value`, `name = {"a", "b"}` and titled sections, `context "home" { url =
// "…" }`. Values in double quotes or without any may name environment variables as ${NAME}. Not thread-safe:
// libconfuse's scanner is one for the process.
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

struct settings_value {
    const char *title; // of its section; NULL at the top
    const char *name;
    const char *const *values;
    size_t count; // at least 1
};

// Calls `each` for everything that the file sets: first the top, then section by section as they stand. An answer other
// than 0 ends it and is returned; `each` says in *ret_error what is wrong with the value, and may then be called for
// the same values again, in search of the line. -errno if the file cannot be read; ERR_INVALID, with "FILE:LINE: what"
// in *ret_error, the line being the one on which what is wrong begins.
typedef int settings_each_fn(void *arg, const struct settings_value *value, struct buf *ret_error);
int settings_file_read(const char *path, const struct settings_form *form, settings_each_fn *each, void *arg,
                       struct buf *ret_error);
