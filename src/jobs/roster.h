// Which workers are connected to a server, as JSON: for lists, and for the other servers of a shared store, to which
// a text goes that model/roster_entry.h reads: [{"account": 1, "instance": "…", "trusted_only": false, "cpus_free":
// 4000, "memory_free": 0, "worker": {…}}, …].
#pragma once

#include "jobs/dispatch.h"
#include "util/json_writer.h"

// Adds one worker, as an object; an item of an array.
void roster_add_worker(struct json_writer *json, const struct dispatch_seen *seen);
