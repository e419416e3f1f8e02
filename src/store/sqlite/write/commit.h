// The functions that apply operations within the writer's transaction, one for each kind of store/op.h that commits.
#pragma once

#include "store/sqlite/sqlite_private.h"

// The outcome of the operation's own goes to op->err with 0 returned; a negative code is returned for what makes the
// transaction fail. Conditions are checked before anything is written.
typedef int commit_fn(struct sqlite_store *store, struct store_op *op);
#define COMMIT_DECLARATION(NAME, name, ...) commit_fn commit_##name;
STORE_COMMITS(COMMIT_DECLARATION)
#undef COMMIT_DECLARATION

// op->err = err for what concerns one operation alone; passes on what makes the transaction fail.
static inline int commit_refuse(struct store_op *op, int err)
{
    if (db_error_is_fatal(err))
        return err;
    op->err = err;
    return 0;
}

// --- commit_append.c. Writes what the group's pack has gathered; to be called before the commit.
int store_flush_pack(struct sqlite_store *store);
