// What the files of the runner's protocol share.
#pragma once

#include "api/call.h"
#include "api/runner/stream.h"
#include "api/streams.h"

#include <jansson.h>

#define DIGEST_PROBLEM "digest must be 16 hexadecimal digits"

struct runner_stream {
    struct runner_stream_options options; // its texts are the ones below
    struct holder_node place;             // used while it is open and holds a lease
    struct intake *intake;                // used while it is open
    struct store_claim claim;
    struct store_lease lease;
    struct store_producer producer_query;
    int64_t account, row;
    uint64_t epoch, holder, touched_ms;
    char producer[STORE_PRODUCER_MAX + 1], worker_id[256], worker[256], key[CALL_HEADER_KEY_MAX + 1];
    char execution_id[ID_EXECUTION_MAX + 1], request_id[129], cancel_reason[64];
    bool reconnected, starting, completing, completed, closed;
};

void runner_send_completed(struct runner_stream *stream, const struct store_complete *complete);
void runner_send_error(struct runner_stream *stream, int err, const char *detail, uint64_t next_sequence);
// Ends it from this side.
void runner_end(struct runner_stream *stream, int err, const char *reason);
bool runner_parse_digest(const json_t *value, uint64_t *ret);

// --- details.c
struct runner_details { // what a runner tells beside the outcome; texts without data: nothing
    struct buf reason, execution, result;
};
// Takes what makes sense, and leaves out the rest: a log must be able to end whatever is told of it. `details` may be
// NULL.
void runner_details_parse(const json_t *details, struct runner_details *ret);
void runner_details_release(struct runner_details *details);
void runner_complete(struct runner_stream *stream, const json_t *message);
