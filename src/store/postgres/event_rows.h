// Structured records as rows of `events`, for those who read by SQL: records of the stream `event`, and those that have
// fields. Pure.
#pragma once

#include "model/chunk.h"

// Appends a row for each of them in COPY's binary form. The chunk must be open, and begins with the record `first`.
void event_rows_add(struct buf *out, int64_t row, uint64_t first, const struct chunk *chunk);
#define EVENT_ROWS_COPY \
    "COPY events(execution, sequence, time_ms, stream, level, message, fields) FROM STDIN (FORMAT binary)"

// Appends valid canonical JSON as JSONB takes it: U+0000 becomes U+FFFD, and a number that is larger or finer than its
// numbers becomes a string.
void event_rows_json(struct buf *out, struct str json);
