// The embedded store as an end of a copy (store/copy/side.h). Both hold its lock.
#pragma once

#include "store/copy/side.h"

// Opens the store at `path`, which is not changed. Errors, each with a text: ERR_NOT_FOUND, ERR_CONFLICT (it is in use;
// it is no store, or none that can be copied as it is), ERR_TOO_NEW.
int sqlite_copy_from(const char *path, struct copy_side **ret, struct buf *ret_error);
// Opens the file at `path`, which is made if there is none, and gives it the schema, unless it is somebody's. Errors as
// above.
int sqlite_copy_to(const char *path, struct copy_side **ret, struct buf *ret_error);
