// Files of settings, read with libconfuse: `name = value`, `name = {"a", "b"}`, and titled sections such as `context
// "home" { url = "…" }`. A value in double quotes, or without quotes, may name environment variables as ${NAME}, or as
// ${NAME:-text} with a text to be taken if the variable is not set. A setting may have only one value in its section.
// Not thread-safe: the process has one scanner of libconfuse.
#pragma once

#include "util/buf.h"

struct settings_name {
    const char *name;
    bool is_list;
};

struct settings_form { // the arrays end with a NULL name; each may be NULL
    const struct settings_name *top;
    const char *section; // the only kind of titled section; NULL: none
    const struct settings_name *in_section;
};

#define SETTINGS_FILE_MAX ((size_t)1024 * 1024)

struct settings_value {
    const char *title; // title of its section; NULL at the top level
    const char *name;
    const char *const *values;
    size_t count; // at least 1
    // A variable that the value names and that is not set; .data == NULL if there is none. "" stands in its place. A
    // caller that uses the value must refuse it: see settings_refuse_unset.
    struct str unset;
};

// Calls `each` for everything that the file sets: first the top level, then the sections in their order. If `each`
// returns something other than 0, that ends the calls and is returned. `each` then says in *ret_error what is wrong
// with the value; it may be called again for the same values, in search of the line. Errors: -errno if the file cannot
// be read; ERR_INVALID with "FILE:LINE: what" in *ret_error, where the wrong statement or value begins on LINE.
typedef int settings_each_fn(void *arg, const struct settings_value *value, struct buf *ret_error);
int settings_file_read(const char *path, const struct settings_form *form, settings_each_fn *each, void *arg,
                       struct buf *ret_error);

// Says that the variable is not set, and what to do. Returns ERR_INVALID.
int settings_refuse_unset(struct str variable, struct buf *ret_error);
