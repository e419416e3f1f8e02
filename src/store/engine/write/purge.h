// A purged execution is gone for everybody at once. Its records are deleted in slices, by later commits. For the
// writer's transactions.
#pragma once

#include "store/engine/write/transaction.h"

#define PURGE_AT_ONCE 64 // executions

// Deletes a slice of what is left of up to `most` executions, and of the executions of deleted accounts. *ret_more:
// there may be more.
int purge_slice(struct transaction *tx, unsigned most, bool *ret_more);
