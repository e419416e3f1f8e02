// The functions that apply operations within the writer's transaction: one for each kind in store/op.h that commits.
// Adapters call commit_op.
#pragma once

#include "store/engine/write/transaction.h"

// The outcome of the operation itself goes to op->err, and 0 is returned. A negative code is returned if the
// transaction must fail. Conditions are checked before anything is written.
typedef int commit_fn(struct transaction *tx, struct store_op *op);
#define COMMIT_DECLARATION(NAME, name, ...) commit_fn commit_##name;
STORE_COMMITS(COMMIT_DECLARATION)
#undef COMMIT_DECLARATION
int mirror_add(struct transaction *tx, int64_t row);        // what is made is entered, if the store mirrors
int commit_op(struct transaction *tx, struct store_op *op); // by its kind; op->err is set

// Sets op->err for an error that concerns only one operation. Returns an error that makes the transaction fail.
static inline int commit_refuse(struct store_op *op, int err)
{
    if (sql_is_fatal(err))
        return err;
    op->err = err;
    return 0;
}
