// The inside of a chunk, for the files chunk*.c alone.
#pragma once

#include "model/chunk.h"

#include <stdatomic.h>

#define CHUNK_FIXED_LEN      12u // magic, version, checksum, flags
#define CHUNK_HEADER_MAX     192u
#define CHUNK_FLAGS_AT       11u
#define CHUNK_MUST           0x0fu // flags that must be understood; the other half may be ignored
#define CHUNK_MUST_ZSTD      1u    // the payload is one zstd frame
#define CHUNK_CHECKSUM_AT    3u
#define CHUNK_CHECKSUM_LEN   8u
#define CHUNK_SECTIONS_MAX   32u
#define CHUNK_RECORD_MIN     2 // a byte of time and the newline
#define CHUNK_FIRST_TIME_MAX 10
#define CHUNK_NAME_MAX       255u // bytes of a name in the dictionaries
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

// In the order in which they stand. Up to TEXT they are the records; those behind it are derived from them, and made by
// the store alone.
enum chunk_section {
    SECTION_TIMES,
    SECTION_KINDS,
    SECTION_LENGTHS,
    SECTION_EXTRAS,
    SECTION_TEXT,
    SECTION_NAMES,
    SECTION_FIELDS,
    SECTION_TOKENS,
    SECTION_COUNT,
    SECTION_DERIVED_FIRST = SECTION_NAMES,
};

// A section's tag: its id, which is its place here and one more, above two bits.
#define SECTION_PACKED   1u // part of the payload, else it stands as it is between header and payload
#define SECTION_REQUIRED 2u // whoever does not know it must not read the chunk
#define SECTION_ID_SHIFT 2

struct chunk_header {
    int64_t time_min, time_max;
    uint32_t count;
    uint32_t counters[COUNTER_COUNT];
    uint32_t sizes[SECTION_COUNT]; // 0: there is none
    uint32_t payload_len;          // all packed sections, uncompressed
    uint32_t plain_len;            // all others
    uint16_t head_len;             // what stands before those
    bool zstd;
    bool unknown, unknown_packed; // there is something that this program does not know and may ignore
};

// Numbers are places in the dictionaries and one more.
struct chunk_row {
    uint8_t event_type, node_id, node_name, traits;
};
#define ROW_NONE          0u
#define ROW_OTHER         255u
#define ROW_PRIORITY_MASK 15u
#define ROW_BUSINESS      16u
#define ROW_MILESTONE     32u
#define ROW_TRAITS        63u

struct chunk_fields {
    struct chunk_names names;
    struct chunk_row rows[]; // by record
};

// One allocation: the struct, the index arrays, the encoded bytes, and the payload unless it is part of them. A closed
// one has neither index nor payload.
struct chunk {
    _Atomic uint32_t refs;
    uint32_t memory;
    _Atomic(struct chunk_fields *) fields; // once somebody asked
    struct chunk_header header;
    int64_t *times;
    uint32_t *text_offsets;  // count + 1; message i and its newline are [i, i + 1)
    uint32_t *extra_offsets; // count + 1, or NULL if no record has any
    uint8_t *kinds;
    uint8_t *encoded;
    uint32_t encoded_len;
    uint8_t *payload; // header.payload_len bytes; NULL: closed
    const char *text; // in the payload
    const char *extras;
};

// --- chunk_header.c

// Of a section in the payload, or in the plain ones.
size_t chunk_section_offset(const struct chunk_header *header, enum chunk_section section);
// Sums the sizes up.
void chunk_header_arrange(struct chunk_header *header);
// Writes all but the checksum; `out` has room for CHUNK_HEADER_MAX. Returns the length.
size_t chunk_header_put(const struct chunk_header *header, uint8_t *out);
// Checks everything that can be without a look at the payload. ERR_CORRUPT, ERR_TOO_LARGE or ERR_TOO_NEW.
int chunk_header_read(const uint8_t *data, size_t len, size_t raw_max, struct chunk_header *ret);
// Puts the checksum of a whole encoded chunk where it belongs.
void chunk_seal(uint8_t *encoded, size_t len);

// --- chunk_view.c

// Holds one reference, the header, and pointers to room for all the rest, which is the caller's to fill.
struct chunk *chunk_allocate(const struct chunk_header *header, size_t encoded_len);
// The same for header and encoded bytes alone.
struct chunk *chunk_allocate_closed(const struct chunk_header *header, size_t encoded_len);
// A chunk of this header, whose sections' sizes are set, with its encoded bytes written: of each section in
// `derived` (by enum chunk_section), and the payload as it is to be stored.
struct chunk *chunk_assemble(struct chunk_header *header, const struct str *derived, struct str stored);

// --- chunk_fields.c

void chunk_fields_free(struct chunk *chunk);
size_t chunk_fields_memory(const struct chunk_header *header);
// Appends the two sections of an open chunk.
void chunk_fields_encode(const struct chunk *chunk, struct buf *names, struct buf *rows);

static inline struct str chunk_derived(const struct chunk *chunk, enum chunk_section section)
{
    size_t at = chunk->header.head_len + chunk_section_offset(&chunk->header, section);
    return str_n((const char *)chunk->encoded + at, chunk->header.sizes[section]);
}

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

static inline uint8_t *put_varint(uint8_t *out, uint64_t value)
{
    while (value >= 0x80) {
        *out++ = (uint8_t)(value | 0x80);
        value >>= 7;
    }
    *out++ = (uint8_t)value;
    return out;
}

struct reader {
    const uint8_t *at, *end;
};

static inline bool read_varint(struct reader *reader, uint64_t *ret)
{
    if (LIKELY(reader->at < reader->end && *reader->at < 0x80)) {
        *ret = *reader->at++;
        return true;
    }
    return varint_read(&reader->at, reader->end, ret);
}

static inline bool read_u32(struct reader *reader, uint32_t max, uint32_t *ret)
{
    uint64_t value;
    if (!read_varint(reader, &value) || value > max)
        return false;
    *ret = (uint32_t)value;
    return true;
}

// Adds records [from, from + count) of a chunk, within CHUNK_RAW_MAX and CHUNK_COUNT_MAX alone.
int chunk_builder_add_range(struct chunk_builder *builder, const struct chunk *chunk, uint32_t from, uint32_t count);
