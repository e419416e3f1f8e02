// The stream of an attached container: frames, each with a head of 8 bytes (stream, three zeros, length, big-endian).
// Nothing is held: the pieces of a frame are handed on as they come. Pure.
#pragma once

#include "model/record.h"
#include "util/error.h"

#define FRAME_MAX ((uint32_t)16 * 1024 * 1024) // engines send at most some 64 KiB in one

struct frames { // a zeroed one is ready
    uint8_t head[8];
    size_t head_len;
    uint32_t left; // bytes of the present frame that are still to come
    enum record_stream stream;
};

// The bytes may be split anywhere. Returns ERR_MALFORMED for a stream that is neither stdout nor stderr, or for a frame
// over FRAME_MAX; what came before it was handed on.
int frames_feed(struct frames *frames, struct str bytes,
                void (*piece)(void *arg, enum record_stream stream, struct str bytes), void *arg);
bool frames_whole(const struct frames *frames); // not within a frame
