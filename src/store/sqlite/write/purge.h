// A purged execution is gone for everybody at once. Its chunks are deleted in slices, by later commits. For the
// writer's transactions.
#pragma once

#include "store/sqlite/sqlite_private.h"

// Deletes a slice of what is left, and of the executions of deleted accounts. Clears store->purging when nothing is
// left.
int purge_slice(struct sqlite_store *store);
