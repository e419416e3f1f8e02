// Packs (blob/pack.h) as files, so that one sync makes all contents of one durable. Of what was removed the space is
// given back block by block, and the file goes with the last one. A mark that a power loss undoes is set again by the
// sweep.
#include "blob/dir/dir_private.h"
#include "util/file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

// --- Where one lies

bool blob_dir_pack_place(const struct blob_dir *dir, struct str key, struct pack_place *ret)
{
    struct blob_pack_place place;
    char *path = blob_pack_place(key, &place) ? blob_dir_content_path(dir, place.pack) : NULL;
    if (path)
        *ret = (struct pack_place){.path = path, .place = place};
    return path;
}

static off_t entry_offset(const struct pack_place *place)
{
    return (off_t)(BLOB_PACK_HEAD + place->place.index * BLOB_PACK_ENTRY);
}

bool blob_dir_pack_has(int fd, const struct pack_place *place)
{
    char bytes[BLOB_PACK_ENTRY];
    if (pread(fd, bytes, sizeof(bytes), entry_offset(place)) != (ssize_t)sizeof(bytes))
        return false;
    struct blob_pack_entry entry = blob_pack_entry_read(bytes);
    return entry.live && entry.offset == place->place.offset && entry.len == place->place.len;
}

// --- What is left of one

// Returns false if it is no pack, or torn.
static bool read_index(int fd, struct buf *ret, unsigned *ret_count)
{
    char head[BLOB_PACK_HEAD];
    if (pread(fd, head, sizeof(head), 0) != (ssize_t)sizeof(head) || !blob_pack_head_read(head, ret_count))
        return false;
    size_t len = *ret_count * BLOB_PACK_ENTRY;
    buf_reserve(ret, len + 1);
    ret->len = len;
    return pread(fd, ret->data, len, (off_t)BLOB_PACK_HEAD) == (ssize_t)len;
}

static struct blob_pack_entry entry_at(const struct buf *index, unsigned i)
{
    return blob_pack_entry_read(index->data + i * BLOB_PACK_ENTRY);
}

static bool any_live(int fd)
{
    CLEANUP(buf_release) struct buf index = {0};
    unsigned count;
    bool any = false;
    if (!read_index(fd, &index, &count))
        return false;
    for (unsigned i = 0; i < count && !any; i++)
        any = entry_at(&index, i).live;
    return any;
}

int blob_dir_pack_remove(struct blob_dir *dir, const struct pack_place *place)
{
    static const char gone[4] = {0};
    CLEANUP(close_fd) int fd = open(place->path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : blob_dir_error(dir, "content cannot be removed", place->path, errno);
    if (!blob_dir_pack_has(fd, place))
        return 0;
    if (pwrite(fd, gone, sizeof(gone), entry_offset(place)) != (ssize_t)sizeof(gone))
        return blob_dir_error(dir, "content cannot be removed", place->path, errno);
    // Not every file system can; then its space comes back with that of the others.
    if (place->place.len > 0)
        (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)place->place.offset,
                         (off_t)place->place.len);
    if (any_live(fd) || unlink(place->path) == 0 || errno == ENOENT)
        return 0;
    return blob_dir_error(dir, "content cannot be removed", place->path, errno);
}

void blob_dir_pack_list(const struct blob_dir *dir, const char *pack, bool (*add)(void *arg, const char *key),
                        void *arg)
{
    CLEANUP(buf_release) struct buf index = {0};
    CLEANUP(free_ptr) char *path = blob_dir_content_path(dir, str_of(pack));
    CLEANUP(close_fd) int fd = path ? open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK) : -1;
    char key[BLOB_KEY_MAX + 1];
    unsigned count = 0;
    bool more = true, any = false;
    if (fd < 0)
        return;
    if (!read_index(fd, &index, &count))
        count = 0;
    for (unsigned i = 0; i < count && more; i++) {
        struct blob_pack_entry entry = entry_at(&index, i);
        if (!entry.live)
            continue;
        any = true;
        blob_pack_key(pack, &(struct blob_pack_place){.index = i, .offset = entry.offset, .len = entry.len}, key);
        more = add(arg, key);
    }
    if (!any)
        add(arg, pack);
}

// --- A new one

static int write_pack(const struct blob_keep *it, const struct buf *index, int fd)
{
    int err = file_write_full(fd, index->data, index->len);
    for (size_t i = 0; i < it->count && err == 0; i++)
        if (!it->contents[i].known)
            err = file_write_full(fd, it->contents[i].bytes.data, it->contents[i].bytes.len);
    return err == 0 && fsync(fd) < 0 ? -errno : err;
}

static int make_pack(struct blob_dir *dir, const struct blob_keep *it, const char *pack, const struct buf *index)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/content/%s", dir->folder, pack);
    int err = blob_dir_make_folders(dir, pack);
    if (err < 0)
        return blob_dir_error(dir, "a folder for contents cannot be made", path, -err);
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    err = fd < 0 ? -errno : write_pack(it, index, fd);
    if (err == 0) {
        CLEANUP(free_ptr) char *folder = xstrndup(path, (size_t)(strrchr(path, '/') - path));
        err = dir_sync(folder);
    }
    if (err < 0 && fd >= 0)
        unlink(path);
    return err < 0 ? blob_dir_error(dir, "contents cannot be kept", path, -err) : 0;
}

int blob_dir_keep(struct blob_store *store, struct blob_keep *it)
{
    struct blob_dir *dir = blob_dir_of(store);
    CLEANUP(buf_release) struct buf index = {0};
    char pack[BLOB_KEY_MAX + 1];
    size_t count;
    uint64_t bytes;
    int err = blob_pack_check(it, &count, &bytes);
    if (err < 0 || count == 0)
        return err;
    if (!blob_dir_has_room(dir, BLOB_PACK_HEAD + count * BLOB_PACK_ENTRY + bytes))
        return ERR_STORE_FULL;
    blob_pack_new_key(it->op.account, pack);
    blob_pack_index_write(it, pack, count, &index);
    return make_pack(dir, it, pack, &index);
}
