// Copying a store. Conventions: store/store.h.
#pragma once

#include "store/op.h"
#include "util/str.h"

// Makes a consistent copy while the server runs, without free pages. The copy is completed under a temporary name and
// then renamed; an existing file is refused. The copy is marked, and the program that opens it first gives it a new
// incarnation. One at a time.
struct store_backup {
    struct store_op op;
    struct str folder; // absolute; made if it does not exist
    struct str name;   // beneath `folder`; folders in it must exist, and none may be a symbolic link
    char *ret_path;    // of the copy
    // Of several stores (store/shards/) it is the first one's; those of so many others lie beside it, as PATH.1,
    // PATH.2, …
    unsigned ret_others;
    char *ret_reason; // what went wrong, for people; may be NULL
    // ERR_CONFLICT if the file exists or another backup is under way; ERR_INVALID for a name that leads elsewhere.
};
