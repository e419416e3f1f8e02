// What the files of the runner's protocol share.
#pragma once

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
    char producer[STORE_PRODUCER_MAX + 1], worker_id[256], worker[256];
    char execution_id[ID_EXECUTION_MAX + 1], request_id[129], cancel_reason[64];
    bool reconnected, starting, completing, completed, closed;
};

void runner_send_completed(struct runner_stream *stream, const struct store_complete *complete);
void runner_send_error(struct runner_stream *stream, int err, const char *detail, uint64_t next_sequence);
// Ends it from this side.
void runner_end(struct runner_stream *stream, int err, const char *reason);
bool runner_parse_digest(const json_t *value, uint64_t *ret);
void runner_complete(struct runner_stream *stream, const json_t *message);
