// A thin layer around SQLite's file layer, one for each store. It measures every fsync, ends the process when one
// fails, and knows the sizes of the store's files without asking the disk.
#pragma once

#include "store/sqlite/file/wal_mark.h"
#include "store/store.h"
#include "util/log.h"

#include <stdatomic.h>

struct vfs;

struct vfs_stats {
    uint64_t fsync_ns_sum, fsync_buckets[STORE_BUCKETS];
    uint64_t bytes;                     // of the store's files
    uint64_t wal_written, file_written; // bytes since the store was opened
};

int vfs_new(const struct logger *logger, struct vfs **ret);
void vfs_free(struct vfs **vfs); // only after every connection was closed
const char *vfs_name(const struct vfs *vfs);
void vfs_stats(struct vfs *vfs, struct vfs_stats *ret); // any thread
// Writes that would make the store's files larger than `bytes` together fail as on a full disk; 0: no limit. Any
// thread.
void vfs_limit(struct vfs *vfs, uint64_t bytes);
// Counts the reserve as one of the files. Returns false if the limit does not allow it.
bool vfs_set_reserve(struct vfs *vfs, uint64_t bytes);
// Before a write makes the WAL longer than vfs_cover_wal last said, `cover` is called. It returns 0, or the errno with
// which the write then fails (ENOSPC: the disk is full). NULL: nobody is asked. Called on the thread that writes.
void vfs_set_cover(struct vfs *vfs, int (*cover)(void *arg, uint64_t wal_bytes), void *arg);
void vfs_cover_wal(struct vfs *vfs, uint64_t wal_bytes);
// From then on `mark` is told everything that is done to the WAL. Called on the thread that writes.
void vfs_set_mark(struct vfs *vfs, struct wal_mark *mark);
uint64_t vfs_wal_bytes(struct vfs *vfs); // size of the file; any thread
