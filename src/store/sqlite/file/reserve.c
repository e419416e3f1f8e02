// What is needed to survive a full disk, and no more:
// - Moving the WAL to the database. The database may grow by as much as the WAL holds.
// - Then the commit of a purge or of outcomes. The WAL begins again in the space that it has, or without any. A slice
//   of a purge writes about ten pages; 512 KiB are a hundred.
// So the reserve is larger than the WAL by that much, and grows before the WAL does: the file layer asks for it at each
// write that makes the WAL longer. If there is no room for both, the disk counts as full while all of the WAL can still
// be moved. Without load the WAL is short, and the reserve is as small as possible. Above its greatest size it does not
// grow any more: the WAL is longer than that only while a reader blocks every checkpoint.
#include "store/sqlite/file/reserve.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define RESERVE_COMMIT ((uint64_t)512 * 1024)
#define RESERVE_STEP   ((uint64_t)1024 * 1024)

static uint64_t reserve_for(const struct sqlite_store *store, uint64_t wal_bytes)
{
    uint64_t wanted = (wal_bytes + RESERVE_COMMIT + RESERVE_STEP - 1) / RESERVE_STEP * RESERVE_STEP;
    return MIN(wanted, (uint64_t)store->tuning.reserve_bytes);
}

static uint64_t reserve_now(const struct sqlite_store *store)
{
    return reserve_for(store, store->wal_pages > 0 ? vfs_wal_bytes(store->vfs) : 0);
}

static void set_held(struct sqlite_store *store, uint64_t bytes)
{
    store->reserve_held = bytes;
    bool follows = bytes > 0 && bytes < store->tuning.reserve_bytes;
    vfs_cover_wal(store->vfs, follows ? bytes - RESERVE_COMMIT : UINT64_MAX);
}

// The descriptor is kept open: a server that has run out of files must not take that for a full disk.
static int reserve_open(struct sqlite_store *store)
{
    if (store->reserve_fd >= 0)
        return 0;
    CLEANUP(free_ptr) char *path = xasprintf("%s.reserve", store->path);
    store->reserve_fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    return store->reserve_fd < 0 ? errno : 0;
}

// Returns 0, or an errno; then the reserve is as it was.
static int reserve_grow(struct sqlite_store *store, uint64_t bytes)
{
    if (!vfs_set_reserve(store->vfs, bytes))
        return ENOSPC;
    int cause = reserve_open(store), fd = store->reserve_fd;
    // It may be longer, left by an earlier run.
    if (cause == 0 && store->reserve_held == 0 && ftruncate(fd, (off_t)bytes) < 0)
        cause = errno;
    off_t from = (off_t)MIN(store->reserve_held, bytes);
    if (cause == 0)
        cause = posix_fallocate(fd, from, (off_t)bytes - from);
    if (cause == 0) {
        set_held(store, bytes);
        return 0;
    }
    vfs_set_reserve(store->vfs, store->reserve_held);
    if (fd >= 0 && ftruncate(fd, (off_t)store->reserve_held) < 0)
        reserve_give_up(store);
    return cause;
}

static void reserve_shrink(struct sqlite_store *store, uint64_t bytes)
{
    if (reserve_open(store) != 0 || ftruncate(store->reserve_fd, (off_t)bytes) < 0)
        return;
    vfs_set_reserve(store->vfs, bytes);
    set_held(store, bytes);
}

bool reserve_make(struct sqlite_store *store, uint64_t spare)
{
    uint64_t bytes = reserve_now(store);
    if (store->reserve_held < bytes + spare && reserve_grow(store, bytes + spare) != 0)
        return false;
    if (spare > 0)
        reserve_shrink(store, bytes);
    return true;
}

int reserve_cover(void *arg, uint64_t wal_bytes)
{
    struct sqlite_store *store = arg;
    uint64_t bytes = reserve_for(store, wal_bytes);
    return bytes <= store->reserve_held ? 0 : reserve_grow(store, bytes);
}

bool reserve_settled(const struct sqlite_store *store)
{
    return store->reserve_held <= reserve_now(store);
}

void reserve_settle(struct sqlite_store *store)
{
    if (!reserve_settled(store))
        reserve_shrink(store, reserve_now(store));
    else
        reserve_make(store, 0);
}

void reserve_give_up(struct sqlite_store *store)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s.reserve", store->path);
    close_fd(&store->reserve_fd);
    unlink(path);
    vfs_set_reserve(store->vfs, 0);
    set_held(store, 0);
}
