// Operations of the sweep, which purges what retention lets go. Conventions: store/store.h; rules: model/retention.h.
#pragma once

#include "model/retention.h"
#include "store/op.h"

#define STORE_RETENTION_MAX 32 // executions that one look finds

// How far a pass over all accounts has come; all 0: it begins.
enum retention_phase { RETENTION_OWN_AGES, RETENTION_AGES, RETENTION_LIMITS };
struct retention_cursor {
    enum retention_phase phase;
    int64_t account;      // of the phases behind the first one; 0: none yet
    int64_t time_ms, row; // the last one that was looked at, in the phase's order
    struct retention_tally tally;
    bool beyond; // of the limits: all that is older goes
};

struct retention_found {
    int64_t row;
    bool by_limits; // else by its age
};

// A slice of a pass: looks at a bounded number of executions. If not `ret_over`, ask again, with the same cursor.
struct store_retention_look {
    struct store_op op;
    const struct retention *rules;  // the server's; those of each account are read over them
    struct retention_cursor cursor; // moves on
    struct retention_found ret_found[STORE_RETENTION_MAX];
    size_t ret_count;
    bool ret_over;
};
