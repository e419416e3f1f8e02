// A chunk holds consecutive records. It is immutable and reference-counted, and it is used everywhere: in the spool, on
// the wire, on disk, in the cache. The number of its first record is not in the chunk; it is kept beside it. Layout and
// limits: docs/internals/chunk.md.
//
// Encoded form: "RC"; version; XXH3-64 (LE) of everything else; a byte of flags (a reader must understand four of them
// and may ignore the other four); varints: count, time_min as svarint, time_max - time_min, a bitmap of the non-zero
// counters, and those counters (per stream, per level, partials, extras, those that continue, whether the first one
// does); a table of sections (id, whether it is required, whether it is packed, size); the plain sections; the payload,
// which is a zstd frame if the flag says so. Sections of the payload:
// - times: svarint deltas, the first one from time_min
// - kinds: runs of (kind byte, varint length); bits 0-1 stream, 2 partial, 3-5 level, 6 has extra, 7 continues
// - lengths: a varint for each record; only if a message contains '\n'
// - extras: a varint length for each record that has one, then their bytes
// - text: each message followed by '\n', so plain output is this column as it is
// Plain sections, which chunk_refine makes from the records: names, fields, tokens, a checksum of all that stands
// before it but that of the whole, and picks.
#pragma once

#include "model/record.h"
#include "util/payload.h"

#define CHUNK_VERSION     2
#define CHUNK_RAW_MAX     (4u * 1024 * 1024) // payload bytes, uncompressed
#define CHUNK_ENCODED_MAX (CHUNK_RAW_MAX + 4096 + CHUNK_DERIVED_MAX)
#define CHUNK_DERIVED_MAX (256u * 1024) // of all that chunk_refine adds
#define CHUNK_COUNT_MAX   (1u << 16)    // a record of no bytes takes about 150 in JSON
#define CHUNK_NAMES_MAX   64            // distinct event types that one chunk lists by name, and as many nodes
#define CHUNK_PICKS_MAX   64            // records that stand before the payload once more
#define CHUNK_MERGE_RAW   (256u * 1024) // merged chunks aim at this payload
#define CHUNK_FRONT_BYTES 4096u         // most chunks have there all that stands before the payload

struct chunk;

// --- Making
struct chunk_builder;
struct chunk_builder *chunk_builder_new(void);
void chunk_builder_free(struct chunk_builder **builder);
// Copies all bytes. Returns ERR_TOO_LARGE, and leaves the builder as it was, if the chunk would pass CHUNK_RAW_MAX or
// CHUNK_COUNT_MAX.
int chunk_builder_add(struct chunk_builder *builder, const struct record *record);
uint32_t chunk_builder_count(const struct chunk_builder *builder);
size_t chunk_builder_raw(const struct chunk_builder *builder); // bytes gathered so far
// Makes a chunk of all that was added (at least one record). The builder is empty afterwards. `zstd_level` 0 means no
// compression.
struct chunk *chunk_builder_finish(struct chunk_builder *builder, int zstd_level);

// Decodes bytes from outside, and keeps a copy of them. Everything is bounded, checked and recomputed: header counters,
// checksum, lengths, kinds, extras (canonical form), messages ≤ message_max (0: no limit). Derived sections are
// dropped, and so is what this program does not know and may ignore. Errors: ERR_TOO_NEW if the chunk has something
// that a reader must know and this program does not; ERR_CORRUPT; ERR_TOO_LARGE; ERR_TOO_LONG.
int chunk_decode(const void *data, size_t len, size_t message_max, struct chunk **ret);
// Decodes bytes that this program itself stored. Checks the checksum and the bounds; trusts the form of extras, the
// lengths of messages and the derived sections.
int chunk_decode_stored(const void *data, size_t len, struct chunk **ret);
// Does the same but does not decode the records. Such a closed chunk can only be asked for what its header says.
int chunk_decode_closed(const void *data, size_t len, struct chunk **ret);
// Makes a closed chunk of what stands before the payload. `given`: how many of the chunk's `len` bytes are there.
// Returns false if that does not suffice, or does not show by itself that it is right: only a chunk with derived
// sections has a checksum of its front. Such a chunk cannot be opened, and has no column.
bool chunk_decode_front(const void *data, size_t given, size_t len, struct chunk **ret);
bool chunk_is_front(const struct chunk *chunk);
bool chunk_is_open(const struct chunk *chunk);
// Replaces a closed chunk by an open one. Errors are those of chunk_decode_stored; then *chunk stays as it was.
int chunk_open(struct chunk **chunk);
struct chunk *chunk_ref(const struct chunk *chunk);
void chunk_unref(struct chunk **chunk);

// --- Looking. Each call is O(1). The functions up to and including chunk_names also work on a closed chunk. The views
// live as long as the chunk.
uint32_t chunk_count(const struct chunk *chunk);
struct str chunk_encoded(const struct chunk *chunk);
size_t chunk_memory(const struct chunk *chunk); // all bytes that it holds in memory
size_t chunk_raw(const struct chunk *chunk);    // payload bytes, uncompressed
size_t chunk_message_bytes(const struct chunk *chunk);
int64_t chunk_time_min(const struct chunk *chunk);
int64_t chunk_time_max(const struct chunk *chunk);
uint32_t chunk_stream_count(const struct chunk *chunk, enum record_stream stream);
uint32_t chunk_level_count(const struct chunk *chunk, enum record_level level);
uint32_t chunk_extra_count(const struct chunk *chunk);
uint32_t chunk_partial_count(const struct chunk *chunk);
uint32_t chunk_continues_count(const struct chunk *chunk);
bool chunk_begins_within(const struct chunk *chunk); // its first record continues the one before the chunk
// The filter over the messages' tokens (token_filter.h); empty if the chunk has none.
struct str chunk_tokens(const struct chunk *chunk);
// The event types and nodes in the chunk, and how many records have each. A node is listed by its id and by its name.
struct chunk_name {
    struct str name;
    uint32_t count;
};
struct chunk_dictionary {
    unsigned count;
    bool more; // there are more than are listed
    struct chunk_name names[CHUNK_NAMES_MAX];
};
struct chunk_names {
    struct chunk_dictionary event_types, nodes;
};
// Returns false if the header does not tell.
bool chunk_names(const struct chunk *chunk, struct chunk_names *ret);

// The parts of a record's structured fields that filters ask for. Numbers are places in the dictionaries. FIELD_OTHER
// means that there is a value, and only the extra tells which.
enum { FIELD_NONE = -1, FIELD_OTHER = -2 };
struct chunk_record_fields {
    int event_type, node_id, node_name;
    unsigned priority; // 0: no priority
    bool business, milestone;
};
// The dictionaries that those numbers refer to. They are made at the first call, from the extras if there is no column.
const struct chunk_names *chunk_fields_names(const struct chunk *chunk);
// The chunk must have extras (chunk_extra_count).
struct chunk_record_fields chunk_record_fields(const struct chunk *chunk, uint32_t i);

// Sets of kinds of records, a bit for each: by enum record_stream, by record_level_of, by enum chunk_trait, by priority
// (a record without one has RECORD_PRIORITY_DEFAULT), and by the places of names in the chunk's dictionaries.
enum chunk_trait { CHUNK_TECHNICAL, CHUNK_BUSINESS, CHUNK_MILESTONE, CHUNK_TRAIT_COUNT };
struct chunk_kinds {
    uint32_t streams, levels, traits, priorities;
    uint64_t event_types, nodes;
};
// The picks of a front: records of which the chunk has few of a kind. *ret is the kinds of which it shows all, or of
// which the chunk has none. Returns false if the chunk is no front, or has no picks.
bool chunk_picks_all(const struct chunk *chunk, struct chunk_kinds *ret);
// The first pick that is record `from` of the chunk or a later one. Returns false if there is none.
bool chunk_pick_next(const struct chunk *chunk, uint32_t from, uint32_t *ret_place, struct record *ret);

void chunk_record(const struct chunk *chunk, uint32_t i, struct record *ret);
bool chunk_continues(const struct chunk *chunk, uint32_t i);
// The text column (each message followed by '\n') if every record is complete output: then the raw form, the text form
// and this column are the same. Otherwise empty. chunk_text_offset(i) is where message i begins in the column; i is 0 …
// count.
struct str chunk_text(const struct chunk *chunk);
size_t chunk_text_offset(const struct chunk *chunk, uint32_t i);
// Whether each line of the column is one message: none holds a newline. Works on a closed chunk.
bool chunk_is_lines(const struct chunk *chunk);
// The same column, whatever the records are; of a closed chunk too, which stays closed: then it is unpacked into
// *scratch. ERR_CORRUPT.
int chunk_column(const struct chunk *chunk, struct buf *scratch, struct str *ret);
uint64_t chunk_digest(const struct chunk *chunk, uint64_t digest); // record_digest_next over all records

// --- Deriving. Makes a chunk of records [from, from + count). Returns a reference to the same chunk if that is all of
// it, and NULL if there is no such range.
struct chunk *chunk_slice(const struct chunk *chunk, uint32_t from, uint32_t count, int zstd_level);
// Makes one chunk of several, in order. Returns ERR_TOO_LARGE if it would pass the limits.
int chunk_merge(struct chunk *const *chunks, size_t count, int zstd_level, struct chunk **ret);
// Packs the records of an open chunk anew, at another level. Returns the same chunk if they do not become smaller;
// otherwise one without derived sections.
struct chunk *chunk_repack(const struct chunk *chunk, int zstd_level);
// Adds the sections that searches use: dictionaries and columns of the structured fields, the filter of tokens, and the
// picks.
// Returns the same chunk if it is too small for them. It costs a few milliseconds per MiB, so it is for merged chunks
// and not for fresh ones.
struct chunk *chunk_refine(const struct chunk *chunk);
