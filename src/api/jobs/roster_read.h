// Reads what other servers of the store tell of their workers (jobs/roster.c writes it).
#pragma once

#include "util/str.h"

// One worker.
struct roster_entry {
    int64_t account; // whose jobs it takes; 0: of all
    struct str worker_id;
    struct str worker; // the object
};
// The views are valid during the call. Returns ERR_MALFORMED if the text is not a whole roster; what came before was
// given. Any thread.
int roster_read(struct str roster, void (*each)(void *arg, const struct roster_entry *entry), void *arg);
