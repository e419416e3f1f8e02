// What was captured, on the runner's disk, until the server has sealed it. A folder per execution:
//   run.json   execution id, url, producer, epoch, incarnation, what was run, exit code once known; written atomically
//   spool      frames: u32 length, u64 first counter, chunk bytes, each with a CRC (XXH3-64); a torn tail is cut off at opening
// One thread. `fdatasync` once a second while there is something unsynced (spool_sync), and at the end.
#pragma once

#include "model/chunk.h"

struct spool;

struct spool_options {
    const char *dir;     // of this execution
    uint64_t bytes_max;  // 10 GiB; spool_append answers ERR_STORE_FULL above it
};
int spool_create(const struct spool_options *options, struct spool **ret);
// Opens what another process left; *ret_torn tells that bytes after the last whole frame were cut off.
int spool_open(const struct spool_options *options, bool *ret_torn, struct spool **ret);
void spool_free(struct spool **spool);

// Appends a chunk whose first record has the next counter. Returns after write(2). ERR_STORE_FULL (bound or disk): nothing was appended, try again.
int spool_append(struct spool *spool, struct chunk *chunk);
int spool_sync(struct spool *spool); // fdatasync; a failure is final (-EIO): the caller must stop believing the spool
uint64_t spool_first(const struct spool *spool);  // first counter still held
uint64_t spool_next(const struct spool *spool);   // counter after the last one
uint64_t spool_synced(const struct spool *spool); // counters below it are on disk
uint64_t spool_bytes(const struct spool *spool);
uint64_t spool_digest(const struct spool *spool); // running digest of all that was ever appended
// The chunk that covers `counter`, decoded, and its first counter. ERR_NOT_FOUND outside of [first, next).
int spool_read(struct spool *spool, uint64_t counter, uint64_t *ret_first, struct chunk **ret);
// Everything below `counter` is durable at the server. Space is given back only when the spool is large (> 64 MiB), by punching holes.
void spool_acked(struct spool *spool, uint64_t counter);
void spool_remove(struct spool **spool); // after the seal: deletes the folder
