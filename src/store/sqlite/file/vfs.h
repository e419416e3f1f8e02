// A thin layer around SQLite's own file layer, one per store: it times every fsync, ends the process when one fails,
// and knows the sizes of the store's files without asking the disk.
#pragma once

#include "store/sqlite/file/wal_mark.h"
#include "store/store.h"
#include "util/log.h"

#include <stdatomic.h>

#define VFS_BUCKETS 20 // bucket i counts those of < 2^i * 64 µs; the last one also what is slower

struct vfs;

struct vfs_stats {
    uint64_t fsyncs, fsync_ns_sum;
    uint64_t fsync_buckets[VFS_BUCKETS];
    uint64_t bytes;                     // of the store's files
    uint64_t wal_written, file_written; // bytes, since the store was opened
};

int vfs_new(const struct logger *logger, struct vfs **ret);
void vfs_free(struct vfs **vfs); // after every connection was closed
const char *vfs_name(const struct vfs *vfs);
void vfs_stats(struct vfs *vfs, struct vfs_stats *ret); // any thread
// Writes that would take the store's files past `bytes` together fail as on a full disk; 0: no limit. Any thread.
void vfs_limit(struct vfs *vfs, uint64_t bytes);
// Counts the reserve as one of the files. False if the limit is in the way.
bool vfs_set_reserve(struct vfs *vfs, uint64_t bytes);
// Before a write takes the WAL past what vfs_cover_wal said last, `cover` is asked: 0, or the errno that the write then
// fails with (ENOSPC: the disk is full). NULL: nobody is asked. On the thread that writes.
void vfs_set_cover(struct vfs *vfs, int (*cover)(void *arg, uint64_t wal_bytes), void *arg);
void vfs_cover_wal(struct vfs *vfs, uint64_t wal_bytes);
// Hears of all that is done to the WAL from then on. On the thread that writes.
void vfs_set_mark(struct vfs *vfs, struct wal_mark *mark);
uint64_t vfs_wal_bytes(struct vfs *vfs); // of the file; any thread
// The bucket of a latency histogram.
unsigned vfs_bucket(uint64_t ns);
