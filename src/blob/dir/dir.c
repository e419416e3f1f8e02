#include "blob/dir/dir_private.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_MAX 4096

static int read_range(struct blob_dir *dir, int fd, const char *path, uint64_t at, struct blob_read *it)
{
    while (it->ret_len < it->len) {
        ssize_t got = pread(fd, (char *)it->data + it->ret_len, it->len - it->ret_len, (off_t)(at + it->ret_len));
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return blob_dir_error(dir, "content cannot be read", path, errno);
        if (got == 0)
            break;
        it->ret_len += (size_t)got;
    }
    return 0;
}

static int read_packed(struct blob_dir *dir, const struct pack_place *place, struct blob_read *it)
{
    CLEANUP(close_fd) int fd = open(place->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return blob_dir_error(dir, "content cannot be opened", place->path, errno);
    if (!blob_dir_pack_has(fd, place))
        return ERR_NOT_FOUND;
    uint64_t at = MIN(it->at, place->place.len);
    it->len = MIN(it->len, place->place.len - at);
    return read_range(dir, fd, place->path, place->place.offset + at, it);
}

static int dir_read(struct blob_store *store, struct blob_read *it)
{
    struct blob_dir *dir = blob_dir_of(store);
    CLEANUP(pack_place_release) struct pack_place place = {0};
    CLEANUP(free_ptr) char *path = blob_dir_content_path(dir, it->key);
    it->ret_len = 0;
    if (!path)
        return ERR_NOT_FOUND;
    if (blob_dir_pack_place(dir, it->key, &place))
        return read_packed(dir, &place, it);
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? blob_dir_error(dir, "content cannot be opened", path, errno)
                  : read_range(dir, fd, path, it->at, it);
}

static int dir_remove(struct blob_store *store, struct blob_remove *it)
{
    struct blob_dir *dir = blob_dir_of(store);
    CLEANUP(pack_place_release) struct pack_place place = {0};
    CLEANUP(free_ptr) char *path = blob_dir_content_path(dir, it->key);
    if (blob_dir_pack_place(dir, it->key, &place))
        return blob_dir_pack_remove(dir, &place);
    if (!path || unlink(path) == 0 || errno == ENOENT)
        return 0;
    return blob_dir_error(dir, "content cannot be removed", path, errno);
}

static void dir_free(struct blob_store *store)
{
    struct blob_dir *dir = blob_dir_of(store);
    pthread_mutex_destroy(&dir->folders);
    blob_dir_forget_synced(dir);
    free(dir->folder);
    free(dir);
}

static const struct blob_vtable vtable = {
    .begin = blob_dir_begin,
    .write = blob_dir_write,
    .pause = blob_dir_pause,
    .finish = blob_dir_finish,
    .keep = blob_dir_keep,
    .offset = blob_dir_offset,
    .read = dir_read,
    .remove = dir_remove,
    .list = blob_dir_list,
    .forget = blob_dir_forget,
    .abandon = blob_dir_abandon,
    .free = dir_free,
};

// They survive a loss of power, also if an earlier server has made them and did not come to sync them.
static int make_folders(const char *folder)
{
    static const char *const made[] = {"content", "parts"}, *const synced[] = {"/..", "", "/content"};
    int err = 0;
    for (size_t i = 0; i < ARRAY_LEN(made) && err == 0; i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s/%s", folder, made[i]);
        err = dir_make_all(path, 0700);
    }
    for (size_t i = 0; i < ARRAY_LEN(synced) && err == 0; i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s%s", folder, synced[i]);
        err = dir_sync(path);
    }
    return err;
}

int blob_dir_open(const struct blob_dir_options *options, struct blob_store **ret)
{
    int err = make_folders(options->folder);
    if (err < 0)
        return err;
    struct blob_dir *dir = xcalloc(1, sizeof(*dir));
    dir->base.vtable = &vtable;
    dir->folder = xstrdup(options->folder);
    dir->logger = options->logger;
    dir->size_max = options->size_max;
    pthread_mutex_init(&dir->folders, NULL);
    map_init(&dir->synced);
    err = pool_new(BLOB_DIR_THREADS, QUEUE_MAX, &dir->base.pool);
    if (err < 0) {
        dir_free(&dir->base);
        return err;
    }
    *ret = &dir->base;
    return 0;
}
