// When the writer waits for more operations before it begins a transaction. A commit costs the same for few operations
// as for many: a sync, pages of the WAL, wake-ups of every thread that waits for it. So while operations come fast,
// the next group gathers for a moment, until it is as large as what lately was under way at once: those who send more
// only after their acks have nothing to send until then.
#pragma once

#include "util/attrs.h"

#define GROUP_OPS_MAX 16384 // of a transaction

struct gather {        // the writer's, under the store's mutex
    uint64_t until_ns; // monotonic; the next group waits no longer
    uint64_t whole;    // nor for more than so many operations
    // What is counted until the window ends.
    uint64_t from_ns, ops, most_under_way;
    // As the last window was.
    bool busy;
};

// After a transaction of `ops` operations, while `waiting` others have come.
void gather_plan(struct gather *gather, uint64_t ops, uint64_t waiting, uint64_t now_ns);
