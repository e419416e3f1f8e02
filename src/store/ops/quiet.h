// Executions whose logs nobody ends (model/quiet.h). Conventions: store/store.h. STORE_UPDATE seals one.
#pragma once

#include "model/quiet.h"
#include "store/op.h"
#include "util/id.h"

#define STORE_QUIET_MAX 256

struct quiet_found {
    int64_t row;
    uint64_t next, quiet_ms;
    enum execution_status status;
    bool to_fetch; // its log is still elsewhere; then these say whose it is:
    int64_t account;
    char execution_id[ID_EXECUTION_MAX + 1];
};

// A query: a page of those that may end by being quiet, by row. It has looked at all if `ret_last` is 0.
struct store_quiet_look {
    struct store_op op;
    int64_t after; // the `ret_last` of the page before; 0: from the first
    struct quiet_found ret_found[STORE_QUIET_MAX];
    size_t ret_count;
    int64_t ret_last;
};
