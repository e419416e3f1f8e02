// A pack holds the small appends of one transaction, as one row of the hot table. Its meta tells for each append what
// it holds, and the state after it. Its body holds their chunks, one after the other. Both are compressed as a whole;
// this makes a few lines in each of many logs cheap. A body whose chunks are compressed already stays as it is. Layout:
// docs/internals/store.md.
#pragma once

#include "store/sqlite/log/hot.h"
#include "util/buf.h"

#define PACK_BODY_BYTES \
    (64u * 1024) // a pack is closed when its chunks reach this: a reader of one line unpacks all of it
#define PACK_BODY_MAX (PACK_BODY_BYTES + CHUNK_ENCODED_MAX)
#define PACK_META_MAX (16u * 1024 * 1024)

struct pack_entry {
    int64_t row;            // of the execution
    struct hot_piece piece; // its id is the pack's id
    struct log_state state; // after the append; next is the end of the piece
    struct str producer;    // empty: anonymous
    struct producer_state producer_state;
};

// --- Making. A zeroed builder is empty.
struct pack_builder {
    struct buf meta, body;
    size_t count;
    size_t loose;             // bytes of the body that are not compressed yet
    int64_t row, time_ms;     // of the last entry
    struct buf last_producer; // its name
};

void pack_builder_release(struct pack_builder *builder);
void pack_builder_reset(struct pack_builder *builder);
// Returns where the chunk of the next entry will be in the body.
uint32_t pack_builder_offset(const struct pack_builder *builder);
// `body` is empty for an append whose chunk is stored elsewhere.
void pack_builder_add(struct pack_builder *builder, const struct pack_entry *entry, struct str body);
// Makes the two columns of the row.
void pack_builder_finish(const struct pack_builder *builder, struct buf *ret_meta, struct buf *ret_body);

// --- Reading. The bytes are our own, but every length is checked all the same.
struct pack_reader {
    const uint8_t *at, *end;
    struct buf unpacked;
    int64_t id;
    uint32_t offset;
    int64_t row, time_ms;
    struct str producer;
    bool with_digests; // packs of earlier versions have none
};

// Reads the meta of pack `id`. The meta must live as long as the reader. Returns ERR_CORRUPT.
int pack_reader_init(struct pack_reader *reader, int64_t id, struct str meta);
void pack_reader_release(struct pack_reader *reader);
// Returns 1 with an entry, whose views live as long as the reader; 0 at the end; or ERR_CORRUPT.
int pack_reader_next(struct pack_reader *reader, struct pack_entry *ret);
// Returns the chunks of a body column, unpacked; or ERR_CORRUPT.
int pack_body_unpack(struct str body, struct buf *ret);
// The bytes of the chunk that the piece names in its pack's body, and the chunk. ERR_CORRUPT, or of the chunk
// ERR_TOO_NEW.
int pack_chunk_bytes(const struct buf *body, const struct hot_piece *piece, struct str *ret);
int pack_chunk(const struct buf *body, const struct hot_piece *piece, struct chunk **ret);
