// What a source of logs hands over: one event, of which a record becomes. Borrowed during the call. Pure.
//
// - Order: events come as they stand in what was sent. That is the order of their numbers, unless the source says that
//   its events are late (source.h).
// - Times: milliseconds, as the source says them. They are never made up: a source without a time says the present.
// - Threads: the readers are called on any thread, each on its own.
#pragma once

#include "model/record.h"

struct arrival {
    struct str execution_id; // empty: nothing says which; need not be valid
    struct str id;           // the source's own name of the event, unique within the execution; empty: it has none
    struct record record;    // that may be stored, but for the length of its message
};

struct arrival_reader {
    void (*each)(void *arg, const struct arrival *arrival);
    // An event that cannot be a record here (too large, a field that is wrong): the others are read. `reason` is
    // static.
    void (*refused)(void *arg, const char *reason);
    void *arg;
};
