// A chunk in one output format, encoded once and shared: the bytes, and where each record begins in them, so that a follower in the
// middle of it, or with a filter, sends slices of the same bytes.
#pragma once

#include "model/chunk.h"
#include "util/payload.h"

enum follow_format {
    FORMAT_WEBSOCKET, // whole unmasked text frames, one a record
    FORMAT_SSE,
    FORMAT_NDJSON,
    FORMAT_CSV,
    FORMAT_TEXT, // output only; UTF-8, ill-formed parts shown as U+FFFD
    FORMAT_RAW,  // output only; exact bytes
    FORMAT_COUNT,
    FORMAT_CHUNK = FORMAT_COUNT, // not cached: frames of whole chunks, see encode_chunk_frame
};

struct encoded {
    struct payload *payload;
    uint32_t count;
    bool shares_chunk;  // the payload is part of the chunk, and takes no memory of its own
    uint32_t offsets[]; // count + 1; a record that the format leaves out is empty
};

struct encoded *encoded_new(const struct chunk *chunk, uint64_t first, struct str execution_id,
                            enum follow_format format);
void encoded_free(struct encoded **encoded);
size_t encoded_memory(const struct encoded *encoded);

// u64 LE first sequence number, u32 LE length, chunk bytes.
struct payload *encode_chunk_frame(const struct chunk *chunk, uint64_t first);
// At the end of a followed chunk stream: u64 LE next sequence number, u32 0xFFFFFFFF, u32 LE length, JSON of `complete`.
#define CHUNK_FRAME_COMPLETE 0xFFFFFFFFu
