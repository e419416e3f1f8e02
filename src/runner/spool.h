// What was captured, on the runner's disk, until the server has sealed it. The form on disk: docs/internals/spool.md.
//
// Threads: one appends; one at a time syncs; reading, acking and asking may be done by any. Appending and reading from
// the newest SPOOL_CACHE_MAX bytes never wait for the disk to be synced.
#pragma once

#include "model/chunk.h"

#define SPOOL_CACHE_MAX (16u * 1024 * 1024) // memory for the newest chunks
// Acked bytes are kept below this, in case the server's store goes back in time.
#define SPOOL_KEEP (64u * 1024 * 1024)

struct spool;

struct spool_options {
    const char *dir;    // of this execution
    uint64_t bytes_max; // 10 GiB
};
// Makes the folder (0700) and an empty spool in it, and locks it. ERR_CONFLICT if there is one, ERR_HELD if it is
// somebody's now.
int spool_create(const struct spool_options *options, struct spool **ret);
// Opens what another process left; *ret_torn tells that bytes after the last whole frame were cut off. ERR_HELD while
// that process lives, ERR_NOT_FOUND if there is none.
int spool_open(const struct spool_options *options, bool *ret_torn, struct spool **ret);
void spool_free(struct spool **spool);
// Once the server has shown that it has all of it: deletes the folder, then frees.
void spool_remove(struct spool **spool);
// Deletes what a removal that was killed has left in the folder of all spools.
void spool_sweep(const char *folder);

// Appends a chunk whose first record has the next counter. Returns after write(2). ERR_STORE_FULL (bytes_max or the
// disk): nothing was appended, try again after more was acked. Another error is final.
int spool_append(struct spool *spool, const struct chunk *chunk);
// Makes all that was appended durable (fdatasync), then gives space back (spool_trim). A failure is final (-EIO): the
// caller must stop believing the spool. Blocks.
int spool_sync(struct spool *spool);
// Gives the space of acked frames back while more than SPOOL_KEEP bytes are held, or while an append found it full.
// Blocks.
int spool_trim(struct spool *spool);
// From now on as much may be held as the disk takes: when nothing more comes than is under way.
void spool_lift_limit(struct spool *spool);
// Everything below `counter` is durable at the server. Cheap. It may go back.
void spool_acked(struct spool *spool, uint64_t counter);

uint64_t spool_first(struct spool *spool);                       // first counter still held
uint64_t spool_start(struct spool *spool, uint64_t *ret_digest); // the same, and the running digest of all below it
uint64_t spool_next(struct spool *spool);                        // counter after the last one
uint64_t spool_synced(struct spool *spool);                      // counters below it are on disk
uint64_t spool_end(struct spool *spool);                         // where the file ends: grows by all that is appended
// Whoever delivers wants to hear of appends only from this end on; 0: of each. What was appended before the call is for
// the caller to find.
void spool_notice_from(struct spool *spool, uint64_t end);
bool spool_notice_due(struct spool *spool); // after an append: whether it is to be told
uint64_t spool_digest(struct spool *spool); // running digest of all that was ever appended

// The chunk that covers `counter`, and its first counter, if it is among the newest, in memory. ERR_NOT_FOUND
// otherwise.
int spool_cached(struct spool *spool, uint64_t counter, uint64_t *ret_first, struct chunk **ret);
// The same from disk if need be. ERR_NOT_FOUND outside of [first, next). Blocks.
int spool_read(struct spool *spool, uint64_t counter, uint64_t *ret_first, struct chunk **ret);
