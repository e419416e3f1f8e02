// A chunk in one output format, encoded once and shared: the bytes, and where each record begins in them, so that a
// follower in the middle of it, or with a filter, sends slices of the same bytes.
#pragma once

#include "fanout/format.h"
#include "model/chunk.h"
#include "util/payload.h"

struct encoded {
    struct payload *payload;
    uint32_t count;
    bool shares_chunk;  // the payload is part of the chunk, and takes no memory of its own
    uint32_t offsets[]; // count + 1; a record that the format leaves out is empty
};

// Of formats that are made of records.
struct encoded *encoded_new(const struct chunk *chunk, uint64_t first, struct str execution_id,
                            enum follow_format format);
void encoded_free(struct encoded **encoded);
size_t encoded_memory(const struct encoded *encoded);

// See CHUNK_FRAME_HEADER.
struct payload *encode_chunk_frame(const struct chunk *chunk, uint64_t first);
