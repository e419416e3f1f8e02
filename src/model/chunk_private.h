// The inside of a chunk, for the files chunk*.c alone.
#pragma once

#include "model/chunk.h"

#include <stdatomic.h>

#define CHUNK_VERSION        1
#define CHUNK_FLAG_ZSTD      1u
#define CHUNK_FLAG_EXPLICIT  2u // EXPLICIT_LENGTHS
#define CHUNK_FLAGS          (CHUNK_FLAG_ZSTD | CHUNK_FLAG_EXPLICIT)
#define CHUNK_CHECKSUM_LEN   8
#define CHUNK_RECORD_MIN     2 // a byte of time and the newline
#define CHUNK_FIRST_TIME_MAX 10
// A slice's first time may need up to 9 bytes more than it had as a delta. So what is made stays this much under the
// limit, and what comes from outside half of it: then every slice of either is within the limit, too.
#define CHUNK_SLACK 32u

#define KIND_STREAM_MASK 0x03u
#define KIND_PARTIAL     0x04u
#define KIND_LEVEL_SHIFT 3
#define KIND_LEVEL_MASK  0x07u
#define KIND_EXTRA       0x40u
#define KIND_MASK        0x7fu

enum chunk_counter {
    COUNTER_STREAM = 0,
    COUNTER_LEVEL = COUNTER_STREAM + STREAM_COUNT,
    COUNTER_PARTIAL = COUNTER_LEVEL + LEVEL_COUNT,
    COUNTER_EXTRA,
    COUNTER_COUNT,
};

struct chunk_header {
    unsigned flags;
    uint32_t count;
    uint32_t payload_len, stored_len;
    uint32_t message_bytes;
    int64_t time_min, time_max;
    uint32_t counters[COUNTER_COUNT];
};

// One allocation: the struct, the index arrays, the encoded bytes, and the payload unless it is part of them.
struct chunk {
    _Atomic uint32_t refs;
    struct chunk_header header;
    size_t memory;
    int64_t *times;
    uint32_t *text_offsets;  // count + 1; message i and its newline are [i, i + 1)
    uint32_t *extra_offsets; // count + 1, or NULL if no record has any
    uint8_t *kinds;
    uint8_t *encoded;
    size_t encoded_len;
    uint8_t *payload; // header.payload_len bytes
    const char *text; // in the payload
    const char *extras;
};

// Holds one reference, the header, and pointers to room for all the rest, which is the caller's to fill.
struct chunk *chunk_allocate(const struct chunk_header *header, size_t encoded_len);
// Of all encoded bytes but itself: those before it and those after it.
uint64_t chunk_checksum(const uint8_t *head, size_t head_len, const uint8_t *stored, size_t stored_len);

static inline uint8_t kind_of(const struct record *record)
{
    return (uint8_t)((unsigned)record->stream | (record->partial ? KIND_PARTIAL : 0) |
                     (unsigned)record->level << KIND_LEVEL_SHIFT | (record->extra.len > 0 ? KIND_EXTRA : 0));
}

static inline unsigned kind_stream(uint8_t kind)
{
    return kind & KIND_STREAM_MASK;
}

static inline unsigned kind_level(uint8_t kind)
{
    return kind >> KIND_LEVEL_SHIFT & KIND_LEVEL_MASK;
}

static inline bool kind_valid(uint8_t kind)
{
    return kind <= KIND_MASK && kind_stream(kind) < STREAM_COUNT && kind_level(kind) < LEVEL_COUNT;
}

// Counts `run` records of one kind.
static inline void counters_add(uint32_t counters[COUNTER_COUNT], uint8_t kind, uint32_t run)
{
    counters[COUNTER_STREAM + kind_stream(kind)] += run;
    counters[COUNTER_LEVEL + kind_level(kind)] += run;
    counters[COUNTER_PARTIAL] += kind & KIND_PARTIAL ? run : 0;
    counters[COUNTER_EXTRA] += kind & KIND_EXTRA ? run : 0;
}

static inline uint64_t zigzag(uint64_t delta)
{
    return delta << 1 ^ (0 - (delta >> 63));
}

static inline uint64_t unzigzag(uint64_t value)
{
    return value >> 1 ^ (0 - (value & 1));
}

// Adds records [from, from + count) of a chunk, within CHUNK_RAW_MAX and CHUNK_COUNT_MAX alone.
int chunk_builder_add_range(struct chunk_builder *builder, const struct chunk *chunk, uint32_t from, uint32_t count);
