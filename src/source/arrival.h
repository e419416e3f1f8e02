// What a source of logs hands over: one event, of which a record becomes. Borrowed during the call. Pure.
//
// - Order: events come as they stand in what was sent. That is the order of their numbers, unless the source says that
//   its events are late (model/late.h).
// - Times: milliseconds, as the source says them. They are never made up: a source without a time says the present.
// - Threads: the readers are called on any thread, each on its own.
#pragma once

#include "model/record.h"

// Of a body in JSON, whose values take a hundred bytes each while it is read.
#define ARRIVALS_VALUES_MAX 1000000
#define ARRIVALS_DEPTH_MAX  128
#define ARRIVALS_SHAPE      "the JSON has more than 1,000,000 values, or is nested more than 128 deep; send less at once"

struct arrival {
    struct str execution_id; // empty: nothing says which; need not be valid
    struct str id;           // the source's own name of the event, unique within the execution; empty: it has none
    struct record record;    // that may be stored, but for the length of its message
};

// What the records of one request may take together. What stands around them once (a resource, labels) is kept by each
// of them, so that a small request could become any number of bytes: it counts for each.
#define ARRIVALS_BYTES_MAX ((size_t)64 * 1024 * 1024)
#define ARRIVAL_COST       ((size_t)64) // of one that has nothing
#define ARRIVALS_TOO_LARGE \
    "its records take more than 64 MiB with what is around them, which each of them keeps; send less at once"

// Counts one record of `bytes`, before it is made. Returns 0 or ERR_TOO_LARGE.
static inline int arrivals_spend(size_t *spent, size_t bytes)
{
    *spent += ARRIVAL_COST + bytes;
    return *spent > ARRIVALS_BYTES_MAX ? ERR_TOO_LARGE : 0;
}

struct arrival_reader {
    void (*each)(void *arg, const struct arrival *arrival);
    // An event that cannot be a record here (too large, a field that is wrong): the others are read. `reason` is
    // static.
    void (*refused)(void *arg, const char *reason);
    void *arg;
};
