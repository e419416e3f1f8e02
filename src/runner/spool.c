#include "runner/spool_private.h"
#include "util/file.h"
#include "util/id.h"

#include <dirent.h>
#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

// A smaller trim is not worth its fdatasync, unless somebody waits for room.
#define TRIM_STEP_MIN (4u * 1024 * 1024)
// The name of a folder that is being deleted. No execution has such an id.
#define REMOVED_PREFIX ".removed."
#define SPARE_FILE     ".spool" // an empty one that the next run of the folder is to have

static uint64_t held_bytes(const struct spool *spool)
{
    return spool->end.offset - spool->start.offset;
}

// --- Lifecycle

struct spool *spool_alloc(const struct spool_options *options)
{
    struct spool *spool = xcalloc(1, sizeof(*spool));
    spool->dir = xstrdup(options->dir);
    spool->fd = -1;
    spool->bytes_max = options->bytes_max;
    spool->uncached = options->write_only;
    // A small limit needs more marks, because trimming can only go to a mark.
    spool->mark_step = MIN((uint64_t)SPOOL_MARK_STEP, options->bytes_max / 16);
    spool->start.offset = spool->end.offset = SPOOL_DATA_START;
    pthread_mutex_init(&spool->lock, NULL);
    pthread_mutex_init(&spool->trimming, NULL);
    return spool;
}

// Another process may have delivered it while we opened it, and deleted it, or left it to another run.
static bool is_there_still(int fd, const char *path)
{
    struct stat ours, there;
    return fstat(fd, &ours) == 0 && stat(path, &there) == 0 && ours.st_ino == there.st_ino &&
           ours.st_dev == there.st_dev;
}

// `made`: nobody else works with it.
static int open_locked(struct spool *spool, int flags, bool made)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/" SPOOL_FILE, spool->dir);
    close_fd(&spool->fd);
    spool->fd = open(path, flags | O_RDWR | O_CLOEXEC, 0600);
    if (spool->fd < 0)
        return errno == EEXIST ? ERR_CONFLICT : errno == ENOENT || errno == ENOTDIR ? ERR_NOT_FOUND : -errno;
    // A process that delivers left spools looks into each folder. It takes little time, and must not keep a run from
    // beginning.
    while (flock(spool->fd, made ? LOCK_EX : LOCK_EX | LOCK_NB) < 0) {
        if (errno != EINTR)
            return errno == EWOULDBLOCK ? ERR_HELD : -errno;
    }
    return is_there_still(spool->fd, path) ? 0 : ERR_NOT_FOUND;
}

static bool is_unused(int fd)
{
    struct stat info;
    return fstat(fd, &info) == 0 && S_ISREG(info.st_mode) && info.st_nlink == 1 && info.st_size == 0;
}

// What spool_vacate has left. A file system that has deleted many files takes long to make another.
static int take_spare(struct spool *spool)
{
    CLEANUP(free_ptr) char *path = xasprintf("%s/" SPOOL_FILE, spool->dir);
    CLEANUP(free_ptr) char *spare = xasprintf("%s/" SPARE_FILE, spool->dir);
    if (renameat2(AT_FDCWD, spare, AT_FDCWD, path, RENAME_NOREPLACE) < 0)
        return ERR_NOT_FOUND;
    int err = open_locked(spool, O_NOFOLLOW, true);
    if (err < 0 || is_unused(spool->fd))
        return err;
    return unlink(path) < 0 ? -errno : ERR_NOT_FOUND;
}

static int make(struct spool *spool)
{
    return open_locked(spool, O_CREAT | O_EXCL, true);
}

int spool_create(const struct spool_options *options, struct spool **ret)
{
    CLEANUP(spool_free) struct spool *spool = spool_alloc(options);
    int err = take_spare(spool);
    if (err == ERR_NOT_FOUND)
        err = make(spool);
    if (err == ERR_NOT_FOUND) {
        err = dir_make_all(options->dir, 0700);
        err = err < 0 ? err : make(spool);
    }
    if (err == ERR_CONFLICT && open_locked(spool, 0, false) == ERR_HELD)
        err = ERR_HELD;
    if (err < 0)
        return err;
    // No head is written yet: a file without a head is an empty spool, and the first sync can wait for the first
    // records.
    *ret = TAKE_PTR(spool);
    return 0;
}

int spool_open(const struct spool_options *options, bool *ret_torn, struct spool **ret)
{
    uint64_t size;
    CLEANUP(spool_free) struct spool *spool = spool_alloc(options);
    int err = open_locked(spool, 0, false);
    if (err == 0)
        err = spool_scan(spool, &size);
    if (err < 0)
        return err;
    *ret_torn = size > spool->end.offset;
    if (*ret_torn && ftruncate(spool->fd, (off_t)spool->end.offset) < 0)
        return -errno;
    *ret = TAKE_PTR(spool);
    return 0;
}

void spool_free(struct spool **spool_ptr)
{
    struct spool *spool = TAKE_PTR(*spool_ptr);
    if (!spool)
        return;
    for (uint64_t i = spool->cache_head; i < spool->cache_tail; i++)
        chunk_unref(&spool->cache[i % SPOOL_CACHE_CHUNKS].chunk);
    close_fd(&spool->fd);
    pthread_mutex_destroy(&spool->lock);
    pthread_mutex_destroy(&spool->trimming);
    free(spool->cache);
    free(spool->marks);
    free(spool->dir);
    free(spool);
}

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

void spool_remove(struct spool **spool_ptr)
{
    const char *dir = (*spool_ptr)->dir;
    const char *slash = strrchr(dir, '/'), *name = slash ? slash + 1 : dir;
    CLEANUP(free_ptr)
    char *removed =
        xasprintf("%.*s" REMOVED_PREFIX "%s.%016llx", (int)(name - dir), dir, name, (unsigned long long)random_u64());
    // One rename, so that there is never half a spool. If we are killed now, spool_sweep finds the rest.
    dir_remove_all(rename(dir, removed) == 0 ? removed : dir);
    spool_free(spool_ptr);
}

// One that has held something is deleted: some file systems write a file that was emptied to the disk at once.
static int leave_spare(const struct spool *spool, const char *folder)
{
    CLEANUP(free_ptr) char *file = xasprintf("%s/" SPOOL_FILE, folder);
    CLEANUP(free_ptr) char *spare = xasprintf("%s/" SPARE_FILE, folder);
    if (is_unused(spool->fd) && rename(file, spare) == 0)
        return 0;
    return unlink(file) < 0 ? -errno : 0;
}

int spool_vacate(struct spool **spool_ptr, const char *name)
{
    if (renameat2(AT_FDCWD, (*spool_ptr)->dir, AT_FDCWD, name, RENAME_NOREPLACE) < 0) {
        int err = -errno;
        spool_remove(spool_ptr);
        return err;
    }
    int err = leave_spare(*spool_ptr, name);
    if (err < 0)
        dir_remove_all(name);
    spool_free(spool_ptr);
    return err;
}

void spool_sweep(const char *folder)
{
    CLEANUP(close_dir) DIR *dir = opendir(folder);
    const struct dirent *entry;
    while (dir && (entry = readdir(dir))) {
        if (strncmp(entry->d_name, REMOVED_PREFIX, strlen(REMOVED_PREFIX)) != 0)
            continue;
        CLEANUP(free_ptr) char *path = xasprintf("%s/%s", folder, entry->d_name);
        dir_remove_all(path);
    }
}

// --- Appending

static void cache_drop_oldest(struct spool *spool)
{
    struct cached *oldest = &spool->cache[spool->cache_head++ % SPOOL_CACHE_CHUNKS];
    spool->cache_bytes -= chunk_memory(oldest->chunk);
    chunk_unref(&oldest->chunk);
}

void spool_cache_add(struct spool *spool, uint64_t first, const struct chunk *chunk)
{
    if (spool->uncached)
        return;
    if (!spool->cache) // most jobs say nothing
        spool->cache = xcalloc(SPOOL_CACHE_CHUNKS, sizeof(*spool->cache));
    if (spool->cache_tail - spool->cache_head == SPOOL_CACHE_CHUNKS)
        cache_drop_oldest(spool);
    spool->cache[spool->cache_tail++ % SPOOL_CACHE_CHUNKS] = (struct cached){first, chunk_ref(chunk)};
    spool->cache_bytes += chunk_memory(chunk);
    while (spool->cache_bytes > SPOOL_CACHE_MAX && spool->cache_tail - spool->cache_head > 1)
        cache_drop_oldest(spool);
}

static bool is_full(int err)
{
    return err == -ENOSPC || err == -EDQUOT || err == -EFBIG;
}

// Writes all of it or nothing.
static int write_frame(struct spool *spool, const struct frame *frame, struct str encoded, uint64_t offset)
{
    uint8_t head[FRAME_HEAD_LEN];
    frame_head_encode(frame, head);
    uint64_t tail = htole64(frame_checksum(head, encoded.data, encoded.len));
    struct iovec parts[] = {
        {head, sizeof(head)}, {(char *)(uintptr_t)encoded.data, encoded.len}, {&tail, sizeof(tail)}};
    size_t left = encoded.len + FRAME_OVERHEAD;
    for (struct iovec *part = parts; left > 0;) {
        ssize_t put = pwritev(spool->fd, part, (int)(parts + ARRAY_LEN(parts) - part), (off_t)offset);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0) {
            int err = is_full(-errno) ? ERR_STORE_FULL : -errno;
            // No reader sees the part that was written. This gives its space back.
            return ftruncate(spool->fd, (off_t)spool->end.offset) < 0 ? -errno : err;
        }
        left -= (size_t)put;
        offset += (uint64_t)put;
        for (size_t gone = (size_t)put; gone > 0;) {
            size_t step = MIN(gone, part->iov_len);
            part->iov_base = (char *)part->iov_base + step;
            part->iov_len -= step;
            gone -= step;
            part += part->iov_len == 0;
        }
    }
    return 0;
}

static int append_once(struct spool *spool, const struct chunk *chunk, uint64_t digest)
{
    struct str encoded = chunk_encoded(chunk);
    uint64_t size = encoded.len + FRAME_OVERHEAD;
    pthread_mutex_lock(&spool->lock);
    // Only this thread moves the end.
    struct mark end = spool->end;
    bool room = held_bytes(spool) + size <= spool->bytes_max;
    int err = spool->failed;
    spool->tight = err == 0 && !room;
    pthread_mutex_unlock(&spool->lock);
    if (err < 0 || !room)
        return err < 0 ? err : ERR_STORE_FULL;

    struct frame frame = {
        .len = (uint32_t)encoded.len, .count = chunk_count(chunk), .first = end.counter, .digest = digest};
    err = write_frame(spool, &frame, encoded, end.offset);
    pthread_mutex_lock(&spool->lock);
    if (err == 0) {
        spool_mark(spool, &end);
        spool_cache_add(spool, end.counter, chunk);
        spool->end = (struct mark){end.counter + frame.count, end.offset + size, digest};
    } else if (err == ERR_STORE_FULL) {
        spool->tight = true;
    } else {
        spool->failed = err;
    }
    pthread_mutex_unlock(&spool->lock);
    return err;
}

int spool_append(struct spool *spool, const struct chunk *chunk)
{
    uint64_t digest = chunk_digest(chunk, spool->end.digest);
    int err = append_once(spool, chunk, digest);
    if (err != ERR_STORE_FULL)
        return err;
    err = spool_trim(spool);
    return err < 0 ? err : append_once(spool, chunk, digest);
}

// --- Giving back

int spool_sync(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    uint64_t next = spool->end.counter;
    int err = spool->failed;
    bool dirty = next > spool->synced;
    pthread_mutex_unlock(&spool->lock);
    if (err == 0 && dirty && fdatasync(spool->fd) < 0)
        err = -EIO; // for any cause: the kernel has forgotten which pages it failed to write
    pthread_mutex_lock(&spool->lock);
    if (err < 0)
        spool->failed = err;
    else
        spool->synced = MAX(spool->synced, next);
    pthread_mutex_unlock(&spool->lock);
    return err < 0 ? err : spool_trim(spool);
}

// Where the spool may begin so that at most `keep` bytes stay that the server has. Call with the lock.
static struct mark trim_target(const struct spool *spool, uint64_t keep)
{
    struct mark start = spool->start;
    if (keep == 0 && spool->acked == spool->end.counter)
        return spool->end;
    for (size_t i = 0; i < spool->mark_count; i++) {
        if (spool->marks[i].counter > spool->acked || spool->end.offset - start.offset <= keep)
            break;
        start = spool->marks[i];
    }
    return start;
}

// Call with the lock.
static void trim_marks(struct spool *spool)
{
    size_t gone = 0;
    while (gone < spool->mark_count && spool->marks[gone].offset < spool->start.offset)
        gone++;
    spool->mark_count -= gone;
    memmove(spool->marks, spool->marks + gone, spool->mark_count * sizeof(*spool->marks));
}

static int punch(struct spool *spool, uint64_t to)
{
    uint64_t end = to / 4096 * 4096;
    if (end <= SPOOL_DATA_START)
        return 0;
    return fallocate(spool->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, SPOOL_DATA_START,
                     (off_t)(end - SPOOL_DATA_START)) < 0
               ? -errno
               : 0;
}

// The head must be on disk before the hole is made: a scan that starts in a hole finds nothing.
static int trim_to(struct spool *spool, const struct mark *start, uint64_t generation)
{
    int err = spool_head_write(spool->fd, generation, start);
    if (err == 0)
        err = punch(spool, start->offset);
    if (err != -EOPNOTSUPP)
        return err;
    spool->no_holes = true;
    return 0;
}

static int trim_locked(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    bool tight = spool->tight;
    uint64_t keep = tight ? 0 : MIN((uint64_t)SPOOL_KEEP, spool->bytes_max / 2);
    uint64_t step_min = tight ? 1 : MIN((uint64_t)TRIM_STEP_MIN, spool->bytes_max / 8);
    struct mark start = trim_target(spool, keep);
    bool worth = !spool->no_holes && start.offset >= spool->start.offset + step_min;
    uint64_t generation = spool->generation + 1;
    int err = spool->failed;
    pthread_mutex_unlock(&spool->lock);
    if (err < 0 || !worth)
        return err;

    err = trim_to(spool, &start, generation);
    if (is_full(err)) // the first head needs room of its own; what there is holds, and it is tried again with the next
        return 0;
    pthread_mutex_lock(&spool->lock);
    if (err < 0) {
        spool->failed = err;
    } else if (!spool->no_holes) {
        spool->generation = generation;
        spool->start = start;
        spool->tight = false;
        trim_marks(spool);
    }
    pthread_mutex_unlock(&spool->lock);
    return err;
}

int spool_trim(struct spool *spool)
{
    pthread_mutex_lock(&spool->trimming);
    int err = trim_locked(spool);
    pthread_mutex_unlock(&spool->trimming);
    return err;
}

void spool_lift_limit(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    spool->bytes_max = UINT64_MAX;
    pthread_mutex_unlock(&spool->lock);
}

void spool_acked(struct spool *spool, uint64_t counter)
{
    pthread_mutex_lock(&spool->lock);
    spool->acked = MIN(counter, spool->end.counter);
    pthread_mutex_unlock(&spool->lock);
}

// --- Asking

static uint64_t get(struct spool *spool, const uint64_t *value)
{
    pthread_mutex_lock(&spool->lock);
    uint64_t now = *value;
    pthread_mutex_unlock(&spool->lock);
    return now;
}

uint64_t spool_acked_below(struct spool *spool)
{
    return get(spool, &spool->acked);
}

uint64_t spool_notice_end(struct spool *spool)
{
    return get(spool, &spool->notice_from);
}

uint64_t spool_first(struct spool *spool)
{
    return get(spool, &spool->start.counter);
}

uint64_t spool_start(struct spool *spool, uint64_t *ret_digest)
{
    pthread_mutex_lock(&spool->lock);
    uint64_t first = spool->start.counter;
    *ret_digest = spool->start.digest;
    pthread_mutex_unlock(&spool->lock);
    return first;
}

uint64_t spool_next(struct spool *spool)
{
    return get(spool, &spool->end.counter);
}

uint64_t spool_synced(struct spool *spool)
{
    return get(spool, &spool->synced);
}

uint64_t spool_end(struct spool *spool)
{
    return get(spool, &spool->end.offset);
}

void spool_notice_from(struct spool *spool, uint64_t end)
{
    pthread_mutex_lock(&spool->lock);
    spool->notice_from = end;
    pthread_mutex_unlock(&spool->lock);
}

bool spool_notice_due(struct spool *spool)
{
    pthread_mutex_lock(&spool->lock);
    bool due = spool->end.offset >= spool->notice_from;
    pthread_mutex_unlock(&spool->lock);
    return due;
}

uint64_t spool_digest(struct spool *spool)
{
    return get(spool, &spool->end.digest);
}
