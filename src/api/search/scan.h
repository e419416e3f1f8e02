// Searches ranges of logs on the store's reader threads, several at once, in slices. Everything but the look at records
// is done on the loop.
#pragma once

#include "api/call.h"
#include "model/search.h"

#define SCAN_RANGE_BYTES ((uint64_t)8 * 1024 * 1024) // of text, about, that one range should have

struct scan;

struct scan_range {
    int64_t row; // of the execution
    uint64_t log_first;
    struct search_ask ask;
    void *owner; // for the handler
};

struct scan_handler {
    // Gives the next range. False: there is none now.
    bool (*next)(void *arg, struct scan_range *ret);
    // Takes what was found in a range, in the order in which `next` gave them. `found` is freed afterwards, unless it
    // is taken. `err`: ERR_EXPIRED, ERR_COLD and the like: of this log alone. Returns false if no more ranges are
    // wanted.
    bool (*took)(void *arg, const struct scan_range *range, struct search_found *found, int err);
    // Nothing is under way any more. The scan is gone when it returns. `reason` may be NULL.
    void (*done)(void *arg, int err, const char *reason);
};

struct scan_limits {
    uint64_t ns;    // no new range is begun after so long
    uint64_t bytes; // nor after so much text was looked at or passed over
    bool whole;     // a fault of one log ends everything; else `took` gets it
};

// At least one range is begun if there is one. `done` may be called within this call.
void scan_start(struct call *call, const struct scan_limits *limits, const struct scan_handler *handler, void *arg);
