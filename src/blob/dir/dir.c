#include "blob/dir/dir_private.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define QUEUE_MAX 4096

static int dir_read(struct blob_store *store, struct blob_read *it)
{
    struct blob_dir *dir = blob_dir_of(store);
    CLEANUP(free_ptr) char *path = blob_dir_content_path(dir, it->key);
    it->ret_len = 0;
    if (!path)
        return ERR_NOT_FOUND;
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return blob_dir_error(dir, "content cannot be opened", path, errno);
    while (it->ret_len < it->len) {
        ssize_t got = pread(fd, (char *)it->data + it->ret_len, it->len - it->ret_len, (off_t)(it->at + it->ret_len));
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

static int dir_remove(struct blob_store *store, struct blob_remove *it)
{
    struct blob_dir *dir = blob_dir_of(store);
    CLEANUP(free_ptr) char *path = blob_dir_content_path(dir, it->key);
    if (!path || unlink(path) == 0 || errno == ENOENT)
        return 0;
    return blob_dir_error(dir, "content cannot be removed", path, errno);
}

static void dir_free(struct blob_store *store)
{
    struct blob_dir *dir = blob_dir_of(store);
    free(dir->folder);
    free(dir);
}

static const struct blob_vtable vtable = {
    .begin = blob_dir_begin,
    .write = blob_dir_write,
    .pause = blob_dir_pause,
    .finish = blob_dir_finish,
    .offset = blob_dir_offset,
    .read = dir_read,
    .remove = dir_remove,
    .list = blob_dir_list,
    .forget = blob_dir_forget,
    .abandon = blob_dir_abandon,
    .free = dir_free,
};

int blob_dir_open(const struct blob_dir_options *options, struct blob_store **ret)
{
    static const char *const folders[] = {"content", "parts"};
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        CLEANUP(free_ptr) char *path = xasprintf("%s/%s", options->folder, folders[i]);
        int err = dir_make_all(path, 0700);
        if (err < 0)
            return err;
    }
    struct blob_dir *dir = xcalloc(1, sizeof(*dir));
    dir->base.vtable = &vtable;
    dir->folder = xstrdup(options->folder);
    dir->logger = options->logger;
    dir->size_max = options->size_max;
    int err = pool_new(BLOB_DIR_THREADS, QUEUE_MAX, &dir->base.pool);
    if (err < 0) {
        dir_free(&dir->base);
        return err;
    }
    *ret = &dir->base;
    return 0;
}
