// Packs of cold chunks: the bodies of chunks of sealed executions, one behind the other in one object, and what they
// are behind them. See docs/internals/cold.md. Pure.
//
//   bodies; then the manifest, a line for each: EXECUTION FIRST COUNT OFFSET LENGTH CHECKSUM
//   then 32 bytes: "RNLCOLD1", u64 where the manifest begins, u64 its length, u64 its checksum (all little-endian)
//
// CHECKSUM is XXH3-64 in hex, FIRST a sequence number, EXECUTION the public identifier.
#pragma once

#include "util/buf.h"

#define COLD_PACK_BYTES ((size_t)8 * 1024 * 1024) // from so many on a pack is full
#define COLD_CHUNKS_MAX 1024                      // chunks of one pack; they change places in one transaction
#define COLD_OBJECT_MAX 95                        // bytes of an object's name

struct cold_place { // of one body
    uint64_t at;    // in its object
    uint32_t len;
    uint64_t checksum;
};

uint64_t cold_checksum(struct str bytes);

// v1/0/DAY/ULID.pack: the day of `sealed_ms`; and its identifier, of the moment `now_ms`.
void cold_object_name(int64_t sealed_ms, int64_t now_ms, char ret[COLD_OBJECT_MAX + 1]);

struct cold_pack { // zeroed: an empty one
    struct buf bytes, manifest;
    size_t count;
};
void cold_pack_release(struct cold_pack *pack);
struct cold_place cold_pack_add(struct cold_pack *pack, struct str execution_id, uint64_t first, uint32_t count,
                                struct str body);
void cold_pack_finish(struct cold_pack *pack); // `bytes` is the whole object then
