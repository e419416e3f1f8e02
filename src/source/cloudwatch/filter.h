// What CloudWatch Logs keeps, asked for by its API: FilterLogEvents, in JSON. Pure.
//
// Documented by AWS: "FilterLogEvents" (API reference of CloudWatch Logs), "Common errors".
#pragma once

#include "source/cloudwatch/cloudwatch.h"

#define CLOUDWATCH_PAGE_EVENTS 10000                      // as many as AWS gives at most
#define CLOUDWATCH_PAGE_MAX    ((size_t)16 * 1024 * 1024) // bytes of an answer: 1 MB of events, with their escapes
#define CLOUDWATCH_TOKEN_MAX   ((size_t)64 * 1024)        // bytes of a nextToken
#define CLOUDWATCH_STREAM_ID   "{execution_id}"           // stands in the name of a stream
#define CLOUDWATCH_STREAM_MUST "a name of a log stream that has {execution_id} once, such as task/runner/{execution_id}"

// Where the log of an execution is kept.
struct cloudwatch_place {
    const char *group;
    const char *stream; // with CLOUDWATCH_STREAM_ID; with `*` at its end: all streams whose names begin so
};
// Whether the name may be such a stream: what stands behind the id must end it, so that no other execution's stream
// begins in the same way.
bool cloudwatch_stream_valid(struct str stream);

// Writes the body of a request; `token` is empty for the first page.
void cloudwatch_filter_write(const struct cloudwatch_place *place, struct str execution_id, struct str token,
                             struct buf *out);
// Reads the answer: events of the execution's streams, and *ret_token for the page after it (empty: it is the last).
// Returns 0; ERR_MALFORMED; ERR_TOO_LARGE. Events before what is malformed were handed over by then.
int cloudwatch_page_read(struct cloudwatch *cloudwatch, const struct cloudwatch_place *place, struct str execution_id,
                         struct str body, const struct arrival_reader *reader, struct buf *ret_token);
// Judges an answer that is no page. Returns ERR_UNAVAILABLE if the same request may be answered later; any other error
// if it may not. Writes why to *ret_error, for people.
int cloudwatch_failure(int status, struct str body, struct buf *ret_error);
