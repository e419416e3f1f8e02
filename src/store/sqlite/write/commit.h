// The functions that apply operations within the writer's transaction: one for each kind in store/op.h that commits.
#pragma once

#include "store/sqlite/sqlite_private.h"

// The outcome of the operation itself goes to op->err, and 0 is returned. A negative code is returned if the
// transaction must fail. Conditions are checked before anything is written.
typedef int commit_fn(struct sqlite_store *store, struct store_op *op);
#define COMMIT_DECLARATION(NAME, name, ...) commit_fn commit_##name;
STORE_COMMITS(COMMIT_DECLARATION)
#undef COMMIT_DECLARATION

// Sets op->err for an error that concerns only one operation. Returns an error that makes the transaction fail.
static inline int commit_refuse(struct store_op *op, int err)
{
    if (db_error_is_fatal(err))
        return err;
    op->err = err;
    return 0;
}

// --- commit_append.c. Writes what the group's pack has gathered. Must be called before the commit.
int store_flush_pack(struct sqlite_store *store);
