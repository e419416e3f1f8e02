// The summaries of logs that grow, stored with the commits that follow. See docs/internals/workflows.md.
#pragma once

#include "store/engine/write/transaction.h"
#include "util/budget.h"

// Makes the store's cache, within `budget`; NULL: none. It is fed by transaction_publish. ERR_NOMEM.
int summaries_init(struct engine *engine, struct budget *budget);

// --- For the writer's thread.
bool summaries_wait(const struct engine *engine); // summaries_apply would do something
// Within a transaction. What does not become durable with it is stored when the log has grown again.
int summaries_apply(struct transaction *tx);
