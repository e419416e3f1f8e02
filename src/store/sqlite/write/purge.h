// What is purged is gone for everybody at once; its chunks follow in slices with later commits. The writer's
// transactions.
#pragma once

#include "store/sqlite/sqlite_private.h"

// A slice of what is left to delete, and of the executions of deleted accounts; clears store->purging when there is no
// more.
int purge_slice(struct sqlite_store *store);
