// Which executions a list is of: its account, its owner, and the parameters that all lists take.
#pragma once

#include "api/call.h"
#include "store/ops/execution.h"

#define LIST_BYTES_MAX ((size_t)1024 * 1024)
#define LIST_ROOM      ((size_t)9 * 1024) // a URL is at most 8 KiB

// Only what the caller may read.
void list_conditions_init(const struct call *call, struct store_list *ret);
// Takes status, workflow_id, batch_id and metadata.KEY. Their bytes, and those of the owner and of id_prefix, are
// copied to `room`, because the request may be gone before the store has read them. Returns false after it has
// answered.
bool list_conditions_take(struct call *call, struct store_list *list, char room[LIST_ROOM]);
