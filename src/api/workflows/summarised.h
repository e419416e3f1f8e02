// The summary of an execution's log, asked for slice by slice. On the loop's thread, but for `process`.
#pragma once

#include "api/call.h"
#include "store/ops/summary.h"

// Asks until the whole log is counted. `done` gets the summary, which is valid during the call; NULL with `err`. `it`
// must live until then.
struct summarised {
    struct store_summary op;
    struct api *api;
    // Optional, to be set before: runs once all is counted, on a thread of the store. Returns 0 or an error, for
    // `done`.
    int (*process)(struct summarised *it, const struct summary *summary);
    // Optional: when its client has gone, the counting ends with ERR_CANCELED.
    const struct call *call;
    void (*done)(struct summarised *it, int err, const struct summary *summary);
};
void summarised_ask(struct summarised *it, struct api *api, int64_t account, int64_t row);
