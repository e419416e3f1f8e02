// CloudWatch Logs as a source: its subscriptions' payloads, which say {"messageType", "owner", "logGroup", "logStream",
// "subscriptionFilters", "logEvents": [{"id", "timestamp", "message"}]}. docs/cloudwatch.md says what becomes what.
// Pure.
//
// Documented by AWS: "Log group-level subscription filters" (the payload), "Deliver data to HTTP endpoint" (how Data
// Firehose sends it).
#pragma once

#include "source/arrival.h"
#include "source/known.h"

#define CLOUDWATCH_PLAIN_MAX ((size_t)64 * 1024 * 1024) // bytes of the payloads of one request, unpacked

struct cloudwatch; // what is kept from one payload of a request to the next: memory, and what its events take
struct cloudwatch *cloudwatch_new(void);
void cloudwatch_free(struct cloudwatch **cloudwatch);

// Reads one payload in base64, packed by gzip or not; several may stand one behind the other. *room is how many
// unpacked bytes it may still have, and is lowered. Returns 0; ERR_MALFORMED with *ret_reason (static); ERR_TOO_LARGE.
// Events before what is malformed were handed over by then. A CONTROL_MESSAGE, by which CloudWatch finds out whether
// anybody is there, has no events.
int cloudwatch_read(struct cloudwatch *cloudwatch, struct str base64, size_t *room, const struct arrival_reader *reader,
                    const char **ret_reason);
