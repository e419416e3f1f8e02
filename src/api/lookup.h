// Looks up an execution by its name: in the loop's memory, else in the store.
#pragma once

#include "api/api_private.h"

struct execution_lookup {
    // 0: `kept` is a reference for the owner. Otherwise it is NULL: ERR_NOT_FOUND, or the store's error.
    void (*done)(struct execution_lookup *it, int err);
    struct kept_execution *kept;
    // Private:
    struct api *api;
    struct store_get get;
    char id[ID_EXECUTION_MAX + 1];
};
// Calls `done` once, before it returns or later. `it` must live until then.
void execution_lookup(struct execution_lookup *it, struct api *api, int64_t account, struct str id);
// Judges what was found: 0; ERR_NOT_FOUND if it is not the principal's; ERR_EXPIRED if it was purged.
int execution_judge(const struct principal *principal, const struct execution *execution);
// Judges a batch: 0, or ERR_NOT_FOUND if it is not the principal's.
int batch_judge(const struct principal *principal, const struct batch *batch);
const char *execution_error_text(int err); // for one that cannot be had
