#include "store/engine/write/commit.h"

#define COMMIT(NAME, name, ...) [STORE_##NAME] = commit_##name,
static commit_fn *const commits[STORE_OP_KINDS] = {STORE_COMMITS(COMMIT)};

int commit_op(struct transaction *tx, struct store_op *op)
{
    op->err = 0;
    return commits[op->kind](tx, op);
}
