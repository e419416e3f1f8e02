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
// 0 if the frame is nothing but whole parts, at least one, of streams other than 0; else ERR_MALFORMED. What the chunks
// hold is not looked at.
int parts_check(struct str frame);
// Takes the part at the front of a frame that was checked; false at its end.
bool parts_next(struct str *frame, struct part *ret);
