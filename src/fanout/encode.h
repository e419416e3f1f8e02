// A chunk in one output format. It is encoded once and shared: the bytes, and the offset of each record in them. So a
// follower that begins in the middle, or has a filter, sends slices of the same bytes.
#pragma once

#include "fanout/format.h"
#include "model/chunk.h"
#include "util/payload.h"

struct encoded {
    struct payload *payload;
    uint32_t count;
    bool shares_chunk;  // the payload is part of the chunk and takes no memory of its own
    uint32_t offsets[]; // count + 1 of them; a record that the format leaves out is empty
};

// For formats that encode single records.
struct encoded *encoded_new(const struct chunk *chunk, uint64_t first, struct str execution_id,
                            enum follow_format format);
void encoded_free(struct encoded **encoded);
size_t encoded_memory(const struct encoded *encoded);

// See CHUNK_FRAME_HEADER.
struct payload *encode_chunk_frame(const struct chunk *chunk, uint64_t first);
