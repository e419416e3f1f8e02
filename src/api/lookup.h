// Looks an execution up by its name: in the loop's memory, else in the store.
#pragma once

#include "api/api_private.h"

struct execution_lookup {
    // 0: `kept` is the owner's reference. ERR_NOT_FOUND, or the store's error: it is NULL.
    void (*done)(struct execution_lookup *it, int err);
    struct kept_execution *kept;
    // Private:
    struct api *api;
    struct store_get get;
    char id[ID_EXECUTION_MAX + 1];
};
// Calls `done` once, before it returns or later. It must live until then.
void execution_lookup(struct execution_lookup *it, struct api *api, int64_t account, struct str id);
// Of what was found: 0, ERR_NOT_FOUND for what is not the principal's, ERR_EXPIRED for what was purged.
int execution_judge(const struct principal *principal, const struct execution *execution);
const char *execution_error_text(int err); // of one that cannot be had
