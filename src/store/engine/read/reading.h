// Reads a log from a position on, or up to one: chunk after chunk from one state of the database. How a chunk is found
// is the engine's. For a reader's thread.
#pragma once

#include "store/engine/read/query.h"

struct reading { // engines embed it
    const struct session *session;
    struct store_read *read;
    size_t bytes; // of memory that its segments take
};

struct reading_engine {
    // Begins a snapshot, and sets ret_next and ret_first_sequence of the read.
    int (*begin)(struct reading *reading);
    // Returns 1 with the chunk that covers `at`, 0 if this snapshot has none, or an error.
    int (*covering)(struct reading *reading, uint64_t at, struct store_segment *ret);
    void (*end)(struct reading *reading);
    // Sets the position of the first chunk with a record at or after read->since_ms; UINT64_MAX: there is none.
    int (*since)(struct reading *reading, uint64_t *ret);
};

// What of the chunk that begins at `first`, and of those behind it, the read still wants.
struct cold_ask reading_cold_ask(const struct reading *reading, uint64_t first);
void reading_run(struct reading *reading, const struct reading_engine *engine); // sets op.err
