// Packs: small contents that came together lie in one file, so that one sync makes all of them durable.
//
//   "RNLPACK1" u32 COUNT, u32 0    and for each content u32 LIVE (1, and 0 when it was removed), u32 OFFSET, u32 LEN;
//   then their bytes
//
// A content's key is ACCOUNT/pk/ID.INDEX.OFFSET.LEN. Of what was removed the space is given back block by block, and
// the file goes with the last one. A mark that a power loss undoes is set again by the sweep.
#include "blob/dir/dir_private.h"
#include "net/digest.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/id.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#define MAGIC     "RNLPACK1"
#define HEAD      ((size_t)16)
#define ENTRY     ((size_t)12)
#define COUNT_MAX 10000u    // INDEX has four digits
#define BYTES_MAX 99999999u // OFFSET and LEN have eight

static uint32_t u32_at(const char *data)
{
    const uint8_t *bytes = (const uint8_t *)data;
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

// --- Where one lies

static void format_key(const char *pack, unsigned index, uint64_t offset, uint64_t len, char ret[BLOB_KEY_MAX + 1])
{
    snprintf(ret, BLOB_KEY_MAX + 1, "%s.%04u.%08llu.%08llu", pack, index, (unsigned long long)offset,
             (unsigned long long)len);
}

bool blob_dir_pack_place(const struct blob_dir *dir, struct str key, struct pack_place *ret)
{
    uint64_t index, offset, len;
    struct str rest = key;
    str_split(&rest, '/');
    if (!str_eq(str_split(&rest, '/'), STR(PACK_FOLDER)))
        return false;
    struct str id = str_split(&rest, '.');
    bool good = str_to_u64(str_split(&rest, '.'), &index) && str_to_u64(str_split(&rest, '.'), &offset) &&
                str_to_u64(rest, &len) && index < COUNT_MAX && offset <= BYTES_MAX && len <= BYTES_MAX;
    char *path = good ? blob_dir_content_path(dir, str_n(key.data, (size_t)(id.data + id.len - key.data))) : NULL;
    if (path)
        *ret = (struct pack_place){.path = path, .index = (unsigned)index, .offset = offset, .len = len};
    return path;
}

bool blob_dir_pack_has(int fd, const struct pack_place *place)
{
    char entry[ENTRY];
    return pread(fd, entry, ENTRY, (off_t)(HEAD + place->index * ENTRY)) == (ssize_t)ENTRY && u32_at(entry) == 1 &&
           u32_at(entry + 4) == place->offset && u32_at(entry + 8) == place->len;
}

// --- What is left of one

// Returns false if it is no pack, or torn.
static bool read_index(int fd, struct buf *ret, unsigned *ret_count)
{
    char head[HEAD];
    if (pread(fd, head, HEAD, 0) != (ssize_t)HEAD || memcmp(head, MAGIC, strlen(MAGIC)) != 0)
        return false;
    *ret_count = u32_at(head + strlen(MAGIC));
    if (*ret_count > COUNT_MAX)
        return false;
    size_t len = *ret_count * ENTRY;
    buf_reserve(ret, len + 1);
    ret->len = len;
    return pread(fd, ret->data, len, (off_t)HEAD) == (ssize_t)len;
}

static bool is_live(const struct buf *index, unsigned i)
{
    return u32_at(index->data + i * ENTRY) == 1;
}

static bool any_live(int fd)
{
    CLEANUP(buf_release) struct buf index = {0};
    unsigned count;
    bool any = false;
    if (!read_index(fd, &index, &count))
        return false;
    for (unsigned i = 0; i < count && !any; i++)
        any = is_live(&index, i);
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
    if (pwrite(fd, gone, sizeof(gone), (off_t)(HEAD + place->index * ENTRY)) != (ssize_t)sizeof(gone))
        return blob_dir_error(dir, "content cannot be removed", place->path, errno);
    // Not every file system can; then its space comes back with that of the others.
    if (place->len > 0)
        (void)!fallocate(fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)place->offset, (off_t)place->len);
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
        if (!is_live(&index, i))
            continue;
        any = true;
        format_key(pack, i, u32_at(index.data + i * ENTRY + 4), u32_at(index.data + i * ENTRY + 8), key);
        more = add(arg, key);
    }
    if (!any)
        add(arg, pack);
}

// --- A new one

// Counts those that are to be kept, and their bytes.
static int check_all(struct blob_keep *it, size_t *ret_count, uint64_t *ret_bytes)
{
    *ret_count = *ret_bytes = 0;
    for (size_t i = 0; i < it->count; i++) {
        struct blob_content *content = &it->contents[i];
        uint8_t hash[BLOB_HASH_LEN];
        sha256(content->bytes.data, content->bytes.len, hash);
        content->ret_key[0] = 0;
        it->ret_wrong = i;
        if (memcmp(hash, content->hash, BLOB_HASH_LEN) != 0)
            return ERR_DIGEST;
        *ret_count += !content->known;
        *ret_bytes += content->known ? 0 : content->bytes.len;
    }
    return *ret_count > COUNT_MAX || *ret_bytes > BYTES_MAX - HEAD - COUNT_MAX * ENTRY ? ERR_TOO_LARGE : 0;
}

static void write_index(struct blob_keep *it, const char *pack, size_t count, struct buf *out)
{
    size_t offset = HEAD + count * ENTRY;
    unsigned index = 0;
    buf_append_text(out, MAGIC);
    buf_append_le32(out, (uint32_t)count);
    buf_append_le32(out, 0);
    for (size_t i = 0; i < it->count; i++) {
        struct blob_content *content = &it->contents[i];
        if (content->known)
            continue;
        format_key(pack, index++, offset, content->bytes.len, content->ret_key);
        buf_append_le32(out, 1);
        buf_append_le32(out, (uint32_t)offset);
        buf_append_le32(out, (uint32_t)content->bytes.len);
        offset += content->bytes.len;
    }
}

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
    char id[ID_SORTABLE_LEN + 1];
    size_t count;
    uint64_t bytes;
    int err = check_all(it, &count, &bytes);
    if (err < 0 || count == 0)
        return err;
    if (!blob_dir_has_room(dir, HEAD + count * ENTRY + bytes))
        return ERR_STORE_FULL;
    id_sortable(clock_real_ms(), id);
    CLEANUP(free_ptr) char *pack = xasprintf("%lld/" PACK_FOLDER "/%s", (long long)it->op.account, id);
    write_index(it, pack, count, &index);
    return make_pack(dir, it, pack, &index);
}
