// The row of `meta` by which a store says that it is a copy that is not finished.
#pragma once

#include "store/sql/sql.h"

#define COPY_MARK        "copying"
#define COPY_INCARNATION "incarnation" // every store that a server has opened has that row

// Each returns 0, an error of sql.h without a text, or one of these with a text that says what to do. The store, which
// is called `name`, has the schema `version`.

// ERR_CONFLICT if it has the mark.
int copy_mark_check(struct sql *sql, const char *name, int version, struct buf *ret_error);
// Whether it may be copied: ERR_CONFLICT if it has the mark, or that of a backup, or was not migrated; ERR_NOT_FOUND if
// it is no store.
int copy_source_check(struct sql *sql, const char *name, int version, struct buf *ret_error);
// Whether it may be copied to: ERR_CONFLICT if it is somebody's.
int copy_target_check(struct sql *sql, const char *name, int version, struct buf *ret_error);
