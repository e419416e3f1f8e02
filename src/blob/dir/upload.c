// Uploads: a part that grows, is hashed as it comes, and moves to its place when it is whole.
#include "blob/dir/dir_private.h"
#include "net/digest.h"
#include "util/clock.h"
#include "util/file.h"
#include "util/id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEX_LEN      (2 * BLOB_HASH_LEN)
#define REHASH_BYTES ((size_t)256 * 1024)
#define LOCK_TRIES   8 // each time another upload was faster

struct blob_upload {
    int fd;
    char *path;
    bool resumable, failed;
    int64_t account;
    uint64_t size, offset; // offset: what was written and hashed
    uint8_t hash[BLOB_HASH_LEN];
    struct sha256_stream *digest;
};

static void upload_free(struct blob_upload *upload)
{
    close_fd(&upload->fd);
    sha256_free(&upload->digest);
    free(upload->path);
    free(upload);
}

void blob_dir_abandon(struct blob_store *store, struct blob_upload *upload)
{
    (void)store;
    upload_free(upload);
}

// --- Room

static char *parts_path(const struct blob_dir *dir, int64_t account)
{
    return xasprintf("%s/parts/%lld", dir->folder, (long long)account);
}

// The bytes of the account's interrupted uploads, and those under way, without this one.
static uint64_t parts_bytes(const char *folder, const char *without)
{
    DIR *open = opendir(folder);
    struct dirent *entry;
    struct stat about;
    uint64_t bytes = 0;
    while (open && (entry = readdir(open)))
        if (strcmp(entry->d_name, without) != 0 &&
            fstatat(dirfd(open), entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISREG(about.st_mode))
            bytes += (uint64_t)about.st_size;
    if (open)
        closedir(open);
    return bytes;
}

// --- Beginning

// Whether the path still names the file that is open: another upload may have moved it meanwhile.
static bool still_named(int fd, const char *path)
{
    struct stat open, named;
    return fstat(fd, &open) == 0 && lstat(path, &named) == 0 && open.st_ino == named.st_ino &&
           open.st_dev == named.st_dev;
}

// Opens and locks a part. Returns -EWOULDBLOCK if another upload has it.
static int part_open(const char *path, int flags, int *ret_fd)
{
    for (int i = 0; i < LOCK_TRIES; i++) {
        CLEANUP(close_fd) int fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW | flags, 0600);
        if (fd < 0)
            return -errno;
        if (flock(fd, LOCK_EX | LOCK_NB) < 0)
            return -errno;
        if (!still_named(fd, path))
            continue;
        *ret_fd = TAKE_FD(fd);
        return 0;
    }
    return -EWOULDBLOCK;
}

static int upload_open(struct blob_dir *dir, struct blob_upload *upload)
{
    char hex[HEX_LEN + 1], id[ID_SORTABLE_LEN + 1];
    CLEANUP(free_ptr) char *folder = parts_path(dir, upload->account);
    if (mkdir(folder, 0700) < 0 && errno != EEXIST)
        return -errno;
    hex_encode(upload->hash, BLOB_HASH_LEN, hex);
    upload->path = xasprintf("%s/%s", folder, hex);
    upload->resumable = true;
    int err = part_open(upload->path, O_CREAT, &upload->fd);
    if (err != -EWOULDBLOCK)
        return err;
    free(upload->path);
    id_sortable(clock_real_ms(), id);
    upload->path = xasprintf("%s/%s.%s", folder, hex, id);
    upload->resumable = false;
    return part_open(upload->path, O_CREAT | O_EXCL, &upload->fd);
}

static int rehash(struct blob_upload *upload, uint64_t len)
{
    CLEANUP(free_ptr) char *data = xmalloc(REHASH_BYTES);
    while (upload->offset < len) {
        ssize_t got = pread(upload->fd, data, MIN(REHASH_BYTES, len - upload->offset), (off_t)upload->offset);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : -EIO;
        sha256_add(upload->digest, data, (size_t)got);
        upload->offset += (uint64_t)got;
    }
    return 0;
}

// Goes on where it was, or empties it.
static int upload_position(struct blob_upload *upload, bool resume)
{
    struct stat about;
    if (fstat(upload->fd, &about) < 0)
        return -errno;
    uint64_t len = (uint64_t)about.st_size;
    if (resume && len <= upload->size)
        return rehash(upload, len);
    return ftruncate(upload->fd, 0) < 0 ? -errno : 0;
}

static int check_room(struct blob_dir *dir, const struct blob_begin *it, const struct blob_upload *upload)
{
    CLEANUP(free_ptr) char *folder = parts_path(dir, upload->account);
    uint64_t others = parts_bytes(folder, strrchr(upload->path, '/') + 1);
    if (it->size > it->parts_max || others > it->parts_max - it->size)
        return ERR_TOO_LARGE;
    return blob_dir_has_room(dir, it->size - upload->offset) ? 0 : ERR_STORE_FULL;
}

int blob_dir_begin(struct blob_store *store, struct blob_begin *it)
{
    struct blob_dir *dir = blob_dir_of(store);
    struct blob_upload *upload = xcalloc(1, sizeof(*upload));
    upload->fd = -1;
    upload->account = it->op.account;
    upload->size = it->size;
    upload->digest = sha256_begin();
    memcpy(upload->hash, it->hash, BLOB_HASH_LEN);
    int err = upload_open(dir, upload);
    if (err == 0)
        err = upload_position(upload, it->resume);
    err = err < 0 ? blob_dir_error(dir, "an upload cannot begin", upload->path ? upload->path : dir->folder, -err)
                  : check_room(dir, it, upload);
    if (err == 0) {
        it->ret_offset = upload->offset;
        it->ret_upload = upload;
        return 0;
    }
    if (upload->fd >= 0 && upload->offset == 0)
        unlink(upload->path); // nothing is lost
    upload_free(upload);
    return err;
}

// --- Going on

int blob_dir_write(struct blob_store *store, struct blob_write *it)
{
    struct blob_dir *dir = blob_dir_of(store);
    struct blob_upload *upload = it->upload;
    if (it->len > upload->size - upload->offset)
        return ERR_TOO_LARGE;
    if (upload->failed || !blob_dir_has_room(dir, it->len))
        return ERR_STORE_FULL;
    size_t done = 0;
    while (done < it->len) {
        ssize_t wrote =
            pwrite(upload->fd, (const char *)it->data + done, it->len - done, (off_t)(upload->offset + done));
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote < 0) {
            upload->failed = true;
            return blob_dir_error(dir, "an upload cannot be written", upload->path, errno);
        }
        done += (size_t)wrote;
    }
    sha256_add(upload->digest, it->data, it->len);
    upload->offset += it->len;
    return 0;
}

int blob_dir_pause(struct blob_store *store, struct blob_pause *it)
{
    struct blob_upload *upload = it->upload;
    (void)store;
    it->ret_offset = upload->resumable ? upload->offset : 0;
    if (upload->offset == 0 || !upload->resumable)
        unlink(upload->path);
    else if (ftruncate(upload->fd, (off_t)upload->offset) < 0 || fdatasync(upload->fd) < 0)
        it->ret_offset = 0; // what it holds is not known; the next upload looks
    upload_free(upload);
    return 0;
}

// --- The end

static int place(struct blob_dir *dir, struct blob_upload *upload, char ret_key[BLOB_KEY_MAX + 1])
{
    blob_key_new(upload->account, upload->hash, ret_key);
    CLEANUP(free_ptr) char *path = xasprintf("%s/content/%s", dir->folder, ret_key);
    int err = blob_dir_make_folders(dir, ret_key);
    if (err == 0 && rename(upload->path, path) < 0)
        err = -errno;
    *strrchr(path, '/') = 0;
    return err < 0 ? err : dir_sync(path);
}

static int finish(struct blob_dir *dir, struct blob_upload *upload, char ret_key[BLOB_KEY_MAX + 1])
{
    uint8_t hash[BLOB_HASH_LEN];
    if (upload->offset < upload->size)
        return ERR_GAP;
    sha256_end(&upload->digest, hash);
    if (memcmp(hash, upload->hash, BLOB_HASH_LEN) != 0) {
        unlink(upload->path);
        return ERR_DIGEST;
    }
    int err = ftruncate(upload->fd, (off_t)upload->size) < 0 || fsync(upload->fd) < 0 ? -errno : 0;
    if (err < 0) // after that nobody knows what the file holds
        unlink(upload->path);
    if (err == 0)
        err = place(dir, upload, ret_key);
    return err < 0 ? blob_dir_error(dir, "an upload cannot be kept", upload->path, -err) : 0;
}

int blob_dir_finish(struct blob_store *store, struct blob_finish *it)
{
    int err = finish(blob_dir_of(store), it->upload, it->ret_key);
    upload_free(it->upload);
    return err;
}

// --- What was interrupted

int blob_dir_offset(struct blob_store *store, struct blob_offset *it)
{
    char hex[HEX_LEN + 1];
    struct stat about;
    CLEANUP(free_ptr) char *folder = parts_path(blob_dir_of(store), it->op.account);
    hex_encode(it->hash, BLOB_HASH_LEN, hex);
    CLEANUP(free_ptr) char *path = xasprintf("%s/%s", folder, hex);
    it->ret_offset = lstat(path, &about) == 0 && S_ISREG(about.st_mode) ? (uint64_t)about.st_size : 0;
    return 0;
}

// Whoever writes to it holds its lock, so it is not taken away from anybody.
static bool forget_part(const char *path, int64_t before_ms)
{
    struct stat about;
    CLEANUP(close_fd) int fd = -1;
    if (lstat(path, &about) < 0 || !S_ISREG(about.st_mode) || (int64_t)about.st_mtim.tv_sec * 1000 >= before_ms)
        return false;
    return part_open(path, 0, &fd) == 0 && unlink(path) == 0;
}

static uint64_t forget_of_account(const char *folder, int64_t before_ms)
{
    DIR *open = opendir(folder);
    struct dirent *entry;
    uint64_t count = 0;
    while (open && (entry = readdir(open))) {
        CLEANUP(free_ptr) char *path = xasprintf("%s/%s", folder, entry->d_name);
        count += forget_part(path, before_ms);
    }
    if (open)
        closedir(open);
    return count;
}

int blob_dir_forget(struct blob_store *store, struct blob_forget *it)
{
    struct blob_dir *dir = blob_dir_of(store);
    CLEANUP(free_ptr) char *parts = xasprintf("%s/parts", dir->folder);
    DIR *open = opendir(parts);
    struct dirent *entry;
    it->ret_count = 0;
    if (!open)
        return blob_dir_error(dir, "uploads cannot be listed", parts, errno);
    while ((entry = readdir(open))) {
        if (entry->d_name[0] == '.')
            continue;
        CLEANUP(free_ptr) char *folder = xasprintf("%s/%s", parts, entry->d_name);
        it->ret_count += forget_of_account(folder, it->before_ms);
    }
    closedir(open);
    return 0;
}
