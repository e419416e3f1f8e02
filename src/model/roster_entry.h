// A worker that is connected to another server of the store, as that tells of it (jobs/roster.h writes it).
#pragma once

#include "model/demand.h"

#define ROSTER_WORDS_MAX 256 // of each: labels, executors, runtimes

struct roster_entry {
    int64_t account; // whose jobs it takes; 0: of all
    struct str worker_id, instance;
    int64_t since_ms; // when it came there, by that server's clock; 0: it is not told
    bool drains;      // it takes no more jobs
    struct offer offer;
    struct str worker; // the object, for people
};
// Calls `each` for each of a roster. What it gets is valid during the call. Returns ERR_MALFORMED if the text is not a
// whole roster; what came before was given. What an older server does not tell yet, such as what is free, is taken for
// the whole of it.
int roster_read(struct str roster, void (*each)(void *arg, const struct roster_entry *entry), void *arg);
