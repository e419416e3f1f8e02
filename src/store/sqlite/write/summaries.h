// The summaries of logs that grow, stored with the commits that follow. See docs/internals/workflows.md.
#pragma once

#include "store/sqlite/sqlite_private.h"
#include "store/summary_cache.h"

struct summary_cache_owner summaries_owner(struct sqlite_store *store); // what the store's cache tells

// --- For the writer's thread.
bool summaries_wait(const struct sqlite_store *store); // summaries_apply would do something
// Within a transaction. What does not become durable with it is stored when the log has grown again.
int summaries_apply(struct sqlite_store *store);
