// The summary of an execution's log, asked for slice by slice. On the loop's thread.
#pragma once

#include "api/call.h"
#include "store/ops/summary.h"

// Asks until the whole log is counted. `done` gets the summary, which is valid during the call; NULL with `err`. It is
// called even if the client has gone. `it` must live until then.
struct summarised {
    struct store_summary op;
    struct api *api;
    void (*done)(struct summarised *it, int err, const struct summary *summary);
};
void summarised_ask(struct summarised *it, struct api *api, int64_t account, int64_t row);
