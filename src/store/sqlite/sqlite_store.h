// The embedded store: one SQLite file in the data folder. See docs/internals/store.md.
#pragma once

#include "store/store.h"
#include "util/log.h"

struct sqlite_options {
    const char *path;        // DATA/runnel.db
    unsigned readers;        // threads
    const struct logger *logger;
};
// Opens or makes it, migrates, loads the hot index. ERR_TOO_NEW with a text in *ret_error when the file is newer than the program,
// ERR_CONFLICT when another process has it open.
int sqlite_store_open(const struct sqlite_options *options, struct buf *ret_error, struct store **ret);
// A consistent copy of the store at `path` (running or not) to `target`, for `runnel backup` without a server.
int sqlite_store_copy(const char *path, const char *target, struct buf *ret_error);
