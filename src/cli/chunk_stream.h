// Reads the answer of …/logs?format=chunk: frames of whole chunks, and of what is told between them: `gap`, and
// `complete` at the end of a followed log. See fanout/format.h.
#pragma once

#include "model/chunk.h"

struct chunk_stream {
    struct buf buf; // the unfinished frame
    // Return false to stop. The chunk is borrowed.
    bool (*chunk)(void *arg, uint64_t first, const struct chunk *chunk);
    void (*message)(void *arg, struct str json); // may be NULL
    void *arg;
};

// Returns 0; ERR_CANCELED if `chunk` has stopped it; ERR_CORRUPT, ERR_TOO_LARGE or ERR_TOO_LONG.
int chunk_stream_feed(struct chunk_stream *stream, struct str bytes);
void chunk_stream_release(struct chunk_stream *stream);
