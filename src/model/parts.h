// A frame of parts: chunks of several streams in one message, as /ws/workers carries them. Each part is `u32 stream,
// u32 length, u64 first counter`, then `length` bytes of a chunk; numbers are little-endian.
#pragma once

#include "util/buf.h"
#include "util/error.h"

#define PART_HEADER 16u

struct part {
    uint32_t stream; // not 0
    uint64_t first;
    struct str chunk; // a view; not empty
};

void part_append(struct buf *out, const struct part *part);
// Returns 0 if the frame is only complete parts, at least one, of streams other than 0; else ERR_MALFORMED. Does not
// look into the chunks.
int parts_check(struct str frame);
// Takes the first part from a checked frame. Returns false at its end.
bool parts_next(struct str *frame, struct part *ret);
