// Which workers are connected to a server, as JSON: for lists, and for the other servers of a shared store.
#pragma once

#include "jobs/dispatch.h"
#include "util/json_writer.h"

// Adds one worker, as an object; an item of an array.
void roster_add_worker(struct json_writer *json, const struct dispatch_seen *seen);

// What another server has told, one worker after the other, in the order of the text.
struct roster_entry {
    int64_t account; // whose jobs it takes; 0: of all
    struct str worker_id;
    struct str worker; // the object
};
// The views are valid during the call. Returns ERR_MALFORMED if the text is not a whole roster; what came before was
// given. Any thread.
int roster_read(struct str roster, void (*each)(void *arg, const struct roster_entry *entry), void *arg);
