// Decides when the writer waits for more operations before it begins a transaction. A commit costs the same for few
// operations as for many: a sync, pages of the WAL, wake-ups of every thread that waits for it. So while operations
// come fast, the next group gathers for a moment. It gathers until it is as large as the number that was recently under
// way at once: clients that send more only after their acks have nothing to send until then. It waits 3 ms at most, or
// for half of what the last transaction took, if that is longer: on a network, or a busy machine, clients are slower
// too.
#pragma once

#include "util/attrs.h"

#define GROUP_OPS_MAX 16384 // in one transaction

struct gather {        // belongs to the writer, under the store's mutex
    uint64_t until_ns; // monotonic; the next group does not wait longer
    uint64_t whole;    // and not for more than so many operations
    // What is counted until the window ends.
    uint64_t from_ns, ops, most_under_way;
    // The result of the last window.
    bool busy;
};

// Called after a transaction of `ops` operations that took `took_ns`, while `waiting` others have come.
void gather_plan(struct gather *gather, uint64_t ops, uint64_t waiting, uint64_t took_ns, uint64_t now_ns);
