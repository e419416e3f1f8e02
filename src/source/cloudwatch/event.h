// One event of CloudWatch Logs, whichever way it came, as a record. Private to this folder.
#pragma once

#include "source/cloudwatch/cloudwatch.h"

#include <jansson.h>

struct cloudwatch {
    struct buf packed, plain, extra, scratch;
    struct known_values fields, none;
    size_t spent; // see arrivals_spend
};

struct cloudwatch_event {
    struct str group, stream, id;
    struct str execution_id; // empty: what its fields say, or what stands behind the last `/` of its stream
    const json_t *time, *message;
    const json_t *fields; // that a subscription's filter has extracted; NULL: none
};
// Hands over one arrival, or says why it is refused. Returns 0; ERR_MALFORMED; ERR_TOO_LARGE (arrivals_spend).
int cloudwatch_event_read(struct cloudwatch *cloudwatch, const struct cloudwatch_event *event,
                          const struct arrival_reader *reader);
struct str cloudwatch_text(const json_t *value); // empty if it is no text
