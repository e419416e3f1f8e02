// Operations of the sweep, which purges what retention lets go, and cuts logs that have grown too long. Conventions:
// store/store.h; rules: model/retention.h.
#pragma once

#include "model/retention.h"
#include "store/op.h"

#define STORE_RETENTION_MAX 32 // executions that one look finds

// How far a pass over all accounts has come; all 0: it begins.
enum retention_phase { RETENTION_OWN_AGES, RETENTION_AGES, RETENTION_LIMITS, RETENTION_FRONTS };
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
    bool front;     // it stays; only its log has more than it may keep
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

// --- The front of a log

struct log_front {   // what a log has lost at its front
    uint64_t first;  // the records below this one; 0: none
    uint64_t bytes;  // of their messages
    uint64_t digest; // record_digest_next over them
    bool has_digest; // false: some of them could not be read
};

// A query: reads a slice of what may be cut off. What is not merged yet stays for later.
struct store_front {
    struct store_op op;
    int64_t row;
    const struct retention *rules;          // the server's
    struct log_front ret_before, ret_after; // equal if there is nothing to cut for now
    bool ret_more;                          // there may be another slice behind it
};

// Cuts that slice off, in one transaction with what is kept of it. ERR_CONFLICT: it is not the front any more, or is
// to be kept after all. ERR_HELD: some of it is being merged; come back later.
struct store_cut {
    struct store_op op;
    int64_t row;
    const struct retention *rules;
    struct log_front before, after;
};
