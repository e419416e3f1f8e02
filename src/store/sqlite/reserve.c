#include "store/sqlite/sqlite_private.h"

#include <fcntl.h>
#include <unistd.h>

static char *reserve_path(const struct sqlite_store *store)
{
    return xasprintf("%s.reserve", store->path);
}

bool reserve_make(struct sqlite_store *store)
{
    if (store->reserve_held)
        return true;
    uint32_t bytes = store->tuning.reserve_bytes;
    if (!vfs_set_reserve(store->vfs, bytes))
        return false;
    CLEANUP(free_ptr) char *path = reserve_path(store);
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    store->reserve_held = fd >= 0 && posix_fallocate(fd, 0, bytes) == 0;
    if (!store->reserve_held)
        reserve_give_up(store);
    return store->reserve_held;
}

void reserve_give_up(struct sqlite_store *store)
{
    CLEANUP(free_ptr) char *path = reserve_path(store);
    unlink(path);
    vfs_set_reserve(store->vfs, 0);
    store->reserve_held = false;
}
