// The contract's limits with their defaults, in one place.
#pragma once
#include "util/attrs.h"

#define LIMIT_JSON_DEPTH 64
#define LIMIT_METADATA   ((size_t)64 * 1024) // bytes, for each execution
// Members on all levels of a patch: the store's writer looks up each of them while it merges.
#define LIMIT_METADATA_MEMBERS 1000
#define LIMIT_FRAME            (1024u * 1024)
#define LIMIT_PAGE             10000
#define HEARTBEAT_MS           10000
#define LIMIT_TICKETS          10000  // outstanding, per account
#define TICKET_MS              30000  // from the issue of a ticket to its first use
#define TICKET_UNUSED_MS       300000 // from a ticket's last use to its end
#define LIMIT_WORKFLOWS        10000  // per account
