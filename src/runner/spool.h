// What was captured, on the disk of the runner, until the server has sealed it. Format: docs/internals/spool.md.
//
// Threads: one thread appends. One at a time syncs. Any thread may read, ack and ask. Appending, and reading the newest
// SPOOL_CACHE_MAX bytes, never wait for a sync.
#pragma once

#include "model/chunk.h"

#define SPOOL_CACHE_MAX (16u * 1024 * 1024) // memory for the newest chunks
// So many acked bytes are kept, in case the server's store is restored from a backup.
#define SPOOL_KEEP (64u * 1024 * 1024)

struct spool;

struct spool_options {
    const char *dir;    // folder of this execution
    uint64_t bytes_max; // default 10 GiB
    bool write_only;    // another process reads it: nothing is kept in memory
};
// Makes the folder (0700) with an empty spool, and locks it. Returns ERR_CONFLICT if a spool exists, ERR_HELD if
// another process holds it now.
int spool_create(const struct spool_options *options, struct spool **ret);
// Opens what another process has left. *ret_torn tells that bytes after the last complete frame were cut off. Returns
// ERR_HELD while that process lives, ERR_NOT_FOUND if there is no spool, ERR_TOO_NEW for one of a newer program, which
// stays as it is.
int spool_open(const struct spool_options *options, bool *ret_torn, struct spool **ret);
// Opens one that another process writes, without its lock: to read it as it grows. Nothing of it is known before
// spool_follow. ERR_NOT_FOUND if there is none.
int spool_attach(const struct spool_options *options, struct spool **ret);
// Takes in what was appended since; *ret_more: not all of it yet, call again. Reads 1 MiB or one frame, from the page
// cache as a rule. What is not whole yet, or never will be, is left out. One thread at a time.
int spool_follow(struct spool *spool, bool *ret_more);
// The process that wrote it has gone: takes the lock and the rest, as spool_open would. ERR_HELD while that lives.
int spool_adopt(struct spool *spool);
void spool_free(struct spool **spool);
// To be called when the server has shown that it has everything. Deletes the folder, then frees.
void spool_remove(struct spool **spool);
// The same, but its folder gets this name and is left, without the spool; spool_create takes the file of an empty one
// again. After a failure the folder is deleted.
int spool_vacate(struct spool **spool, const char *name);
// Deletes what was left by a removal that was killed. `folder` is the folder of all spools.
void spool_sweep(const char *folder);

// Appends a chunk; its first record must have the next counter. Returns after write(2). ERR_STORE_FULL (bytes_max or
// the disk): nothing was appended; try again after more was acked. Any other error is final.
int spool_append(struct spool *spool, const struct chunk *chunk);
// Makes everything that was appended durable (fdatasync), then gives space back (spool_trim). Blocks. A failure is
// final (-EIO): the caller must not trust the spool any more.
int spool_sync(struct spool *spool);
// Gives back the space of acked frames, while more than SPOOL_KEEP bytes are held or after an append found no room.
// Blocks.
int spool_trim(struct spool *spool);
// From now on only the disk limits the spool. For the end, when no more comes than what is already under way.
void spool_lift_limit(struct spool *spool);
// Everything below `counter` is durable at the server. Cheap. The counter may go back.
void spool_acked(struct spool *spool, uint64_t counter);

uint64_t spool_acked_below(struct spool *spool); // as spool_acked was told
uint64_t spool_first(struct spool *spool);       // the first counter that is still held
// The same, and the running digest of all records below it.
uint64_t spool_start(struct spool *spool, uint64_t *ret_digest);
uint64_t spool_next(struct spool *spool);   // the counter after the last record
uint64_t spool_synced(struct spool *spool); // counters below it are on disk
uint64_t spool_end(struct spool *spool);    // the end of the file; it grows with every append
// The deliverer wants to hear of appends only when the file has reached this end; 0: of each append. The caller must
// itself find what was appended before the call.
void spool_notice_from(struct spool *spool, uint64_t end);
uint64_t spool_notice_end(struct spool *spool); // as spool_notice_from was told
bool spool_notice_due(struct spool *spool);     // after an append: whether the deliverer must be told
uint64_t spool_digest(struct spool *spool);     // running digest of everything that was ever appended

// Returns the chunk that covers `counter`, and its first counter, if it is in memory. Otherwise ERR_NOT_FOUND.
int spool_cached(struct spool *spool, uint64_t counter, uint64_t *ret_first, struct chunk **ret);
// Does the same, and reads from disk if necessary. Returns ERR_NOT_FOUND outside of [first, next). Blocks.
int spool_read(struct spool *spool, uint64_t counter, uint64_t *ret_first, struct chunk **ret);
