// Where content lies, and what errors of the system mean.
#include "blob/dir/dir_private.h"
#include "util/file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#define LEFT_FREE ((uint64_t)64 * 1024 * 1024) // of the disk, or a twentieth of a small one

struct synced_folder {
    struct map_node node;
    char *path;
};

int blob_dir_error(struct blob_dir *dir, const char *what, const char *path, int error)
{
    if (error == ENOENT)
        return ERR_NOT_FOUND;
    if (error == ENOSPC || error == EDQUOT || error == EFBIG)
        return ERR_STORE_FULL;
    log_error(dir->logger, what, LOG_S("path", path), LOG_S("reason", strerror(error)));
    return error == EMFILE || error == ENFILE ? ERR_NO_FILES : ERR_IO;
}

char *blob_dir_content_path(const struct blob_dir *dir, struct str key)
{
    return blob_key_valid(key) ? xasprintf("%s/content/%.*s", dir->folder, STR_ARGS(key)) : NULL;
}

// Makes a folder that survives a loss of power.
static int make_folder(const char *parent, const char *path)
{
    if (mkdir(path, 0700) == 0)
        return dir_sync(parent);
    return errno == EEXIST ? 0 : -errno;
}

// The folders of an account may be an earlier server's, which was killed before it came to sync them.
static int sync_once(struct blob_dir *dir, const char *account)
{
    if (map_find(&dir->synced, str_of(account)))
        return 0;
    int err = dir_sync(account);
    if (err == 0) {
        struct synced_folder *synced = xcalloc(1, sizeof(*synced));
        synced->path = xstrdup(account);
        map_insert(&dir->synced, &synced->node, str_of(synced->path));
    }
    return err;
}

static void synced_free(struct map_node *node, void *arg)
{
    struct synced_folder *synced = CONTAINER_OF(node, struct synced_folder, node);
    (void)arg;
    free(synced->path);
    free(synced);
}

void blob_dir_forget_synced(struct blob_dir *dir)
{
    map_each(&dir->synced, synced_free, NULL);
    map_release(&dir->synced);
}

int blob_dir_make_folders(struct blob_dir *dir, const char *key)
{
    const char *slash = strchr(key, '/'), *last = strrchr(key, '/');
    CLEANUP(free_ptr) char *content = xasprintf("%s/content", dir->folder);
    CLEANUP(free_ptr) char *account = xasprintf("%s/%.*s", content, (int)(slash - key), key);
    CLEANUP(free_ptr) char *folder = xasprintf("%s/%.*s", content, (int)(last - key), key);
    pthread_mutex_lock(&dir->folders);
    int err = make_folder(content, account);
    if (err == 0)
        err = make_folder(account, folder);
    if (err == 0)
        err = sync_once(dir, account);
    pthread_mutex_unlock(&dir->folders);
    return err;
}

bool blob_dir_has_room(struct blob_dir *dir, uint64_t bytes)
{
    struct statvfs disk;
    if (dir->size_max > 0 && bytes > dir->size_max)
        return false;
    if (statvfs(dir->folder, &disk) < 0)
        return true; // the write will tell
    uint64_t whole = (uint64_t)disk.f_blocks * disk.f_frsize, free = (uint64_t)disk.f_bavail * disk.f_frsize;
    uint64_t kept = MIN(LEFT_FREE, whole / 20);
    return free >= kept && free - kept >= bytes;
}
