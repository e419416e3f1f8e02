// Consecutive records as one immutable, reference-counted container: in the spool, on the wire, on disk, in the cache.
// It has no base number; that stands beside it. Layout and limits: docs/internals/chunk.md.
//
// Encoded: "RC", version, XXH3-64 (LE) of all else, a byte of flags (four that must be understood, four that need not
// be), varints (count, time_min as svarint, time_max - time_min, a bitmap of the non-zero counters and those
// counters: per stream, per level, partials, extras), a table of sections (id, whether it is required and packed,
// size), the plain sections, then the payload: zstd if the flag says so, else as is. Sections:
//   times    svarint deltas, the first one from time_min
//   kinds    runs of (kind byte, varint length): bits 0-1 stream, 2 partial, 3-5 level, 6 has extra
//   lengths  only if any message contains '\n': a varint each
//   extras   a varint length each, for records that have one, then their bytes
//   text     each message followed by '\n' (so plain output is this column as it stands)
// and plain ones that chunk_refine derives from these: names, fields, tokens.
#pragma once

#include "model/record.h"
#include "util/payload.h"

#define CHUNK_VERSION     2
#define CHUNK_RAW_MAX     (4u * 1024 * 1024) // payload bytes, uncompressed
#define CHUNK_ENCODED_MAX (CHUNK_RAW_MAX + 4096 + CHUNK_DERIVED_MAX)
#define CHUNK_DERIVED_MAX (256u * 1024) // of all that chunk_refine adds
#define CHUNK_COUNT_MAX   (1u << 16)    // a record of no bytes costs some 150 in JSON
#define CHUNK_NAMES_MAX   64            // distinct event types that are told apart in one, and as many nodes
#define CHUNK_MERGE_RAW   (256u * 1024) // merged chunks aim at this payload

struct chunk;

// --- Making
struct chunk_builder;
struct chunk_builder *chunk_builder_new(void);
void chunk_builder_free(struct chunk_builder **builder);
// ERR_TOO_LARGE if the chunk would pass CHUNK_RAW_MAX or CHUNK_COUNT_MAX; the builder is as before then. Copies all
// bytes.
int chunk_builder_add(struct chunk_builder *builder, const struct record *record);
uint32_t chunk_builder_count(const struct chunk_builder *builder);
size_t chunk_builder_raw(const struct chunk_builder *builder); // bytes gathered
// The chunk of all that was added (at least one record); the builder is empty afterwards. `zstd_level` 0: stored as is.
struct chunk *chunk_builder_finish(struct chunk_builder *builder, int zstd_level);

// Decodes bytes from outside. Everything is bounded, checked and recomputed: header counters, checksum, lengths, kinds,
// extras (canonical), messages ≤ message_max (0: no limit). What is derived, and what this program does not know and
// may ignore, is left out. ERR_TOO_NEW if there is something that it must know; ERR_CORRUPT, ERR_TOO_LARGE or
// ERR_TOO_LONG; never a crash. Keeps a copy of `data`.
int chunk_decode(const void *data, size_t len, size_t message_max, struct chunk **ret);
// For bytes that this program itself stored: checksum and bounds, but the extras' form, message_max and what is derived
// are trusted.
int chunk_decode_stored(const void *data, size_t len, struct chunk **ret);
// The same without a look at the records: a closed chunk can be asked for what its header says, and for nothing else.
int chunk_decode_closed(const void *data, size_t len, struct chunk **ret);
bool chunk_is_open(const struct chunk *chunk);
// Puts an open one into the place of a closed one; the errors of chunk_decode_stored, and the chunk is as before then.
int chunk_open(struct chunk **chunk);
struct chunk *chunk_ref(const struct chunk *chunk);
void chunk_unref(struct chunk **chunk);

// --- Looking. O(1) each. Up to and with chunk_names a closed one will do. The views live as long as the chunk.
uint32_t chunk_count(const struct chunk *chunk);
struct str chunk_encoded(const struct chunk *chunk);
size_t chunk_memory(const struct chunk *chunk); // bytes that it holds in memory, all included
size_t chunk_raw(const struct chunk *chunk);    // payload bytes, uncompressed
size_t chunk_message_bytes(const struct chunk *chunk);
int64_t chunk_time_min(const struct chunk *chunk);
int64_t chunk_time_max(const struct chunk *chunk);
uint32_t chunk_stream_count(const struct chunk *chunk, enum record_stream stream);
uint32_t chunk_level_count(const struct chunk *chunk, enum record_level level);
uint32_t chunk_extra_count(const struct chunk *chunk);
uint32_t chunk_partial_count(const struct chunk *chunk);
// The filter of the texts' tokens (token_filter.h); empty if it has none.
struct str chunk_tokens(const struct chunk *chunk);
// Which event types and nodes there are, and how many records of each. A node stands here by its id and by its name.
struct chunk_name {
    struct str name;
    uint32_t count;
};
struct chunk_dictionary {
    unsigned count;
    bool more; // there are others
    struct chunk_name names[CHUNK_NAMES_MAX];
};
struct chunk_names {
    struct chunk_dictionary event_types, nodes;
};
// False if the header does not say.
bool chunk_names(const struct chunk *chunk, struct chunk_names *ret);

// What filters ask for of a record's structured fields. Numbers are places in the dictionaries.
enum { FIELD_NONE = -1, FIELD_OTHER = -2 }; // OTHER: there is one, and only the extra says which
struct chunk_record_fields {
    int event_type, node_id, node_name;
    unsigned priority; // 0: none
    bool business, milestone;
};
// The dictionaries that the numbers are of. Made at the first call, from the extras if no column says it.
const struct chunk_names *chunk_fields_names(const struct chunk *chunk);
// The chunk has some (chunk_extra_count).
struct chunk_record_fields chunk_record_fields(const struct chunk *chunk, uint32_t i);

void chunk_record(const struct chunk *chunk, uint32_t i, struct record *ret);
// The text column (each message followed by '\n'), or empty unless every record is whole output: then raw = text =
// this. chunk_text_offset(i) is where message i begins in it; valid for 0 … count.
struct str chunk_text(const struct chunk *chunk);
size_t chunk_text_offset(const struct chunk *chunk, uint32_t i);
uint64_t chunk_digest(const struct chunk *chunk, uint64_t digest); // record_digest_next over all records

// --- Deriving. Records [from, from + count) as a chunk of their own; a reference to the same one if that is all of it;
// NULL if there is no such range.
struct chunk *chunk_slice(const struct chunk *chunk, uint32_t from, uint32_t count, int zstd_level);
// One chunk of several, in order; ERR_TOO_LARGE if it would pass the limits.
int chunk_merge(struct chunk *const *chunks, size_t count, int zstd_level, struct chunk **ret);
// The chunk with what is derived from its records, for those who look for something: dictionaries and columns of the
// structured fields, and the filter of tokens. The same one if it is too small for that to be worth it. Costs a few
// milliseconds a MiB: for merged chunks, not for fresh ones.
struct chunk *chunk_refine(const struct chunk *chunk);
