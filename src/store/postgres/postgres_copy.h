// A store in PostgreSQL as an end of a copy (store/copy/side.h).
#pragma once

#include "store/copy/side.h"

// Opens a store, which is not changed. Errors, each with a text: ERR_UNAVAILABLE, ERR_NOT_FOUND, ERR_CONFLICT,
// ERR_TOO_NEW.
int postgres_copy_from(const char *conninfo, struct copy_side **ret, struct buf *ret_error);
// Opens a database, and gives it the schema, unless it is somebody's. Only one process at a time has it. Errors as
// above.
int postgres_copy_to(const char *conninfo, struct copy_side **ret, struct buf *ret_error);
