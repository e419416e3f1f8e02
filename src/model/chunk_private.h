// The inside of a chunk. Only for the files chunk*.c.
#pragma once

#include "model/chunk.h"

#include <stdatomic.h>

#define CHUNK_FIXED_LEN      12u // magic, version, checksum, flags
#define CHUNK_HEADER_MAX     192u
#define CHUNK_FLAGS_AT       11u
#define CHUNK_MUST           0x0fu // flags that a reader must understand; it may ignore the others
#define CHUNK_MUST_ZSTD      1u    // the payload is one zstd frame
#define CHUNK_MUST_CONTINUE  2u    // some of its records continue the one before them
#define CHUNK_CHECKSUM_AT    3u
#define CHUNK_CHECKSUM_LEN   8u
#define CHUNK_FRONT_SUM_LEN  8u
#define CHUNK_PICKS_SUM_LEN  8u
#define CHUNK_SECTIONS_MAX   32u
#define CHUNK_RECORD_MIN     2 // one byte of time and the newline
#define CHUNK_FIRST_TIME_MAX 10
#define CHUNK_NAME_MAX       255u // bytes of a name in the dictionaries
// The first time of a slice may take up to 9 bytes more than it took as a delta. So a chunk that is made here stays
// this much below the limit, and one from outside half as much. Then every slice of either is within the limit, too.
#define CHUNK_SLACK 32u

#define KIND_STREAM_MASK 0x03u
#define KIND_PARTIAL     0x04u
#define KIND_LEVEL_SHIFT 3
#define KIND_LEVEL_MASK  0x07u
#define KIND_EXTRA       0x40u
#define KIND_CONTINUES   0x80u

enum chunk_counter {
    COUNTER_STREAM = 0,
    COUNTER_LEVEL = COUNTER_STREAM + STREAM_COUNT,
    COUNTER_PARTIAL = COUNTER_LEVEL + LEVEL_COUNT,
    COUNTER_EXTRA,
    COUNTER_CONTINUES,
    COUNTER_CONTINUES_FIRST, // 1 if the first record does
    COUNTER_COUNT,
};

// Sections, in the order in which they stand. Those up to TEXT are the records. The later ones are derived from the
// records, and only the store makes them.
enum chunk_section {
    SECTION_TIMES,
    SECTION_KINDS,
    SECTION_LENGTHS,
    SECTION_EXTRAS,
    SECTION_TEXT,
    SECTION_NAMES,
    SECTION_FIELDS,
    SECTION_TOKENS,
    SECTION_FRONT_SUM,
    SECTION_PICKS,
    SECTION_COUNT,
    SECTION_DERIVED_FIRST = SECTION_NAMES,
};

// A section's tag is its id (its place in this enum plus one) above two bits.
#define SECTION_PACKED   1u // it is part of the payload; otherwise it stands as it is between header and payload
#define SECTION_REQUIRED 2u // a reader that does not know it must not read the chunk
#define SECTION_ID_SHIFT 2

struct chunk_header {
    int64_t time_min, time_max;
    uint32_t count;
    uint32_t counters[COUNTER_COUNT];
    uint32_t sizes[SECTION_COUNT]; // 0: the chunk has no such section
    uint32_t payload_len;          // all packed sections, uncompressed
    uint32_t plain_len;            // all others
    uint16_t head_len;             // length of everything before the sections
    bool zstd;
    bool unknown, unknown_packed; // the chunk has something that this program does not know and may ignore
};

// Numbers are places in the dictionaries plus one.
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
    struct chunk_row rows[]; // one for each record
};

struct chunk_picks {
    struct chunk_kinds kinds;
    bool sound;
    uint32_t count;
    struct chunk *records;
    uint32_t places[CHUNK_PICKS_MAX];
};

// A chunk is one allocation: the struct, the index arrays, the encoded bytes, and the payload unless the encoded bytes
// contain it as it is. A closed chunk has neither index arrays nor payload. Of a front the encoded bytes, too, are only
// those before the payload.
struct chunk {
    _Atomic uint32_t refs;
    uint32_t memory;
    union { // set when somebody has asked for it
        _Atomic(struct chunk_fields *) fields;
        _Atomic(struct chunk_picks *) picks; // of a front
    };
    struct chunk_header header;
    uint32_t *text_offsets;  // count + 1 of them; message i and its newline are [i, i + 1)
    uint32_t *extra_offsets; // count + 1 of them; NULL if no record has an extra
    uint8_t *kinds;
    uint8_t *encoded;
    uint32_t encoded_len;
    bool front;
    uint8_t *payload; // header.payload_len bytes; NULL if closed
    const char *text; // within the payload; the extras stand right before it
    int64_t times[];
};

// --- chunk_header.c

// Where a section begins: in the payload if it is packed, otherwise in the plain sections.
size_t chunk_section_offset(const struct chunk_header *header, enum chunk_section section);
// Sets the lengths that are sums of the sections' sizes.
void chunk_header_arrange(struct chunk_header *header);
// Writes everything but the checksum. `out` has room for CHUNK_HEADER_MAX bytes. Returns the length.
size_t chunk_header_put(const struct chunk_header *header, uint8_t *out);
// Checks everything that does not need the payload. Returns ERR_CORRUPT, ERR_TOO_LARGE or ERR_TOO_NEW.
int chunk_header_read(const uint8_t *data, size_t len, size_t raw_max, struct chunk_header *ret);
// Does the same for the front of a chunk of `len` bytes, of which only the first `given` are there. Returns false if
// they do not suffice, or do not show by themselves that they are right; then only the whole tells.
bool chunk_header_read_front(const uint8_t *data, size_t given, size_t len, struct chunk_header *ret);
// Writes the checksum into a complete encoded chunk.
void chunk_seal(uint8_t *encoded, size_t len);
// Writes the section FRONT_SUM, which must be there.
void chunk_seal_front(uint8_t *encoded, const struct chunk_header *header);

// Writes the checksum that the section PICKS begins with. `section` holds it alone.
void chunk_seal_picks(struct buf *section);

// --- chunk_memory.c

// Returns a chunk with one reference, the header, and pointers to room for all the rest, which the caller must fill.
struct chunk *chunk_allocate(const struct chunk_header *header, size_t encoded_len);
// Does the same for the header and the encoded bytes alone; those of a front stand before the payload.
struct chunk *chunk_allocate_closed(const struct chunk_header *header, size_t encoded_len);
void chunk_picks_free(struct chunk_picks *picks);
// Makes a chunk with this header, in which the sections' sizes are set. Its encoded bytes are the sections in `derived`
// (by enum chunk_section) and `stored`, which is the payload in its stored form.
struct chunk *chunk_assemble(struct chunk_header *header, const struct str *derived, struct str stored);

// --- chunk_fields.c

void chunk_fields_free(struct chunk *chunk);
size_t chunk_fields_memory(const struct chunk_header *header);
// Appends the two sections of structured fields. The chunk must be open.
void chunk_fields_encode(const struct chunk *chunk, struct buf *names, struct buf *rows);

// --- chunk_picks.c

// Appends the section of an open chunk; not more than `room` bytes. Nothing if it would be of no use.
void chunk_picks_encode(const struct chunk *chunk, size_t room, struct buf *out);

static inline struct str chunk_derived(const struct chunk *chunk, enum chunk_section section)
{
    size_t at = chunk->header.head_len + chunk_section_offset(&chunk->header, section);
    return str_n((const char *)chunk->encoded + at, chunk->header.sizes[section]);
}

static inline uint8_t kind_of(const struct record *record)
{
    return (uint8_t)((unsigned)record->stream | (record->partial ? KIND_PARTIAL : 0) |
                     (unsigned)record->level << KIND_LEVEL_SHIFT | (record->extra.len > 0 ? KIND_EXTRA : 0) |
                     (record->continues ? KIND_CONTINUES : 0));
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
    return kind_stream(kind) < STREAM_COUNT && kind_level(kind) < LEVEL_COUNT;
}

// Counts `run` records of the same kind; the first of them is record `i` of the chunk.
static inline void counters_add(uint32_t counters[COUNTER_COUNT], uint8_t kind, uint32_t i, uint32_t run)
{
    counters[COUNTER_STREAM + kind_stream(kind)] += run;
    counters[COUNTER_LEVEL + kind_level(kind)] += run;
    counters[COUNTER_PARTIAL] += kind & KIND_PARTIAL ? run : 0;
    counters[COUNTER_EXTRA] += kind & KIND_EXTRA ? run : 0;
    counters[COUNTER_CONTINUES] += kind & KIND_CONTINUES ? run : 0;
    counters[COUNTER_CONTINUES_FIRST] += i == 0 && kind & KIND_CONTINUES;
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

// Adds records [from, from + count) of a chunk. Its only limits are CHUNK_RAW_MAX and CHUNK_COUNT_MAX.
int chunk_builder_add_range(struct chunk_builder *builder, const struct chunk *chunk, uint32_t from, uint32_t count);
