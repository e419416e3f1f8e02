// The copy of a store. Conventions: store/store.h.
#pragma once

#include "store/op.h"
#include "util/str.h"

// A consistent copy while running, without free pages, made whole under a temporary name and then renamed; refuses an
// existing file. The copy is marked, and whoever opens it first gives it a new incarnation. One at a time.
struct store_backup {
    struct store_op op;
    struct str folder; // absolute; made if it is not there
    struct str name;   // beneath it; folders in it are there already, none of them by a symbolic link
    char *ret_path;    // of the copy
    char *ret_reason;  // what went wrong, for people; or NULL
    // ERR_CONFLICT if it is there or another backup is under way, ERR_INVALID for a name that leads elsewhere.
};
