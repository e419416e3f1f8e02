// A purged execution is gone for everybody at once. Its records are deleted in slices, by later commits. For the
// writer's transactions.
#pragma once

#include "store/engine/write/transaction.h"

// Purges up to `most` executions of a deleted account. *ret_more: there was such an account.
int account_purge_slice(struct transaction *tx, size_t most, bool *ret_more);
