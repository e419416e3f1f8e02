#include "worker/cache.h"

#include "util/file.h"
#include "util/list.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <unistd.h>

#define PART     ".part" // of a file that is being fetched
#define COPY_MAX ((size_t)256 * 1024)

struct cache {
    int dir_fd;
    uint64_t bytes_max;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct list_node busy; // of struct use
};

struct use { // a content that a thread works on
    struct list_node node;
    const char *hash;
};

// --- Whose turn it is

static bool is_busy(const struct cache *cache, const char *name)
{
    for (const struct list_node *node = cache->busy.next; node != &cache->busy; node = node->next) {
        if (strncmp(CONTAINER_OF(node, struct use, node)->hash, name, CONTENT_HASH_LEN) == 0)
            return true;
    }
    return false;
}

static void begin_use(struct cache *cache, struct use *use)
{
    pthread_mutex_lock(&cache->lock);
    while (is_busy(cache, use->hash))
        pthread_cond_wait(&cache->changed, &cache->lock);
    list_push_back(&cache->busy, &use->node);
    pthread_mutex_unlock(&cache->lock);
}

static void end_use(struct cache *cache, struct use *use)
{
    pthread_mutex_lock(&cache->lock);
    list_remove(&use->node);
    pthread_cond_broadcast(&cache->changed);
    pthread_mutex_unlock(&cache->lock);
}

// --- Its limit

struct entry {
    char name[CONTENT_HASH_LEN + sizeof(PART)];
    uint64_t bytes;
    struct timespec used;
};

static int by_use(const void *a, const void *b)
{
    const struct entry *one = a, *other = b;
    if (one->used.tv_sec != other->used.tv_sec)
        return one->used.tv_sec < other->used.tv_sec ? -1 : 1;
    return one->used.tv_nsec < other->used.tv_nsec ? -1 : one->used.tv_nsec > other->used.tv_nsec;
}

static size_t list_entries(const struct cache *cache, struct entry **ret)
{
    int fd = openat(cache->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd); // takes it over
    size_t count = 0;
    if (!dir) {
        close_fd(&fd);
        return 0;
    }
    for (const struct dirent *found; (found = readdir(dir));) {
        struct stat info;
        size_t len = strlen(found->d_name);
        if (len >= sizeof((*ret)->name) || fstatat(cache->dir_fd, found->d_name, &info, AT_SYMLINK_NOFOLLOW) < 0 ||
            !S_ISREG(info.st_mode))
            continue;
        *ret = xrealloc(*ret, (count + 1) * sizeof(**ret));
        struct entry *entry = &(*ret)[count++];
        *entry =
            (struct entry){.bytes = MAX((uint64_t)info.st_blocks * 512, (uint64_t)info.st_size), .used = info.st_mtim};
        memcpy(entry->name, found->d_name, len + 1);
    }
    closedir(dir);
    return count;
}

// Called with the lock. What a thread works on stays.
static void make_room(struct cache *cache)
{
    CLEANUP(free_ptr) struct entry *entries = NULL;
    size_t count = list_entries(cache, &entries);
    uint64_t bytes = 0;
    for (size_t i = 0; i < count; i++)
        bytes += entries[i].bytes;
    if (bytes <= cache->bytes_max)
        return;
    qsort(entries, count, sizeof(*entries), by_use);
    for (size_t i = 0; i < count && bytes > cache->bytes_max; i++) {
        if (!is_busy(cache, entries[i].name) && unlinkat(cache->dir_fd, entries[i].name, 0) == 0)
            bytes -= entries[i].bytes;
    }
}

// --- Copies

static int copy_bytes(int from, int to)
{
    CLEANUP(free_ptr) char *data = xmalloc(COPY_MAX);
    if (ioctl(to, FICLONE, from) == 0)
        return 0;
    for (off_t at = 0;;) {
        ssize_t got = pread(from, data, COPY_MAX, at);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? -errno : 0;
        int err = file_write_full(to, data, (size_t)got);
        if (err < 0)
            return err;
        at += got;
    }
}

static int emptied(int fd, int err)
{
    bool empty = ftruncate(fd, 0) == 0 && lseek(fd, 0, SEEK_SET) == 0;
    return empty || err < 0 ? err : -errno;
}

// Returns ERR_CORRUPT if the copy is not what its hash says.
static int copy_checked(int from, int to, const struct content *content)
{
    struct content copied;
    int err = copy_bytes(from, to);
    if (err == 0)
        err = content_of_file(to, NULL, &copied);
    if (err == 0 && (copied.size != content->size || strcmp(copied.hash, content->hash) != 0))
        err = ERR_CORRUPT;
    return err < 0 ? emptied(to, err) : 0;
}

// Returns ERR_NOT_FOUND if it is not there, or not what it should be; then it is removed.
static int copy_cached(const struct cache *cache, const struct content *content, int to)
{
    CLEANUP(close_fd) int from = openat(cache->dir_fd, content->hash, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return ERR_NOT_FOUND;
    int err = copy_checked(from, to, content);
    if (err == ERR_CORRUPT || err == ERR_CONFLICT) {
        unlinkat(cache->dir_fd, content->hash, 0);
        return ERR_NOT_FOUND;
    }
    if (err == 0)
        (void)!utimensat(cache->dir_fd, content->hash, NULL, AT_SYMLINK_NOFOLLOW); // just used
    return err;
}

static int fetch_into_cache(struct cache *cache, const struct content *content, cache_fetch_fn *fetch, void *arg,
                            struct buf *ret_text)
{
    CLEANUP(free_ptr) char *part = xasprintf("%s" PART, content->hash);
    CLEANUP(close_fd) int fd = openat(cache->dir_fd, part, O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    int err = fd < 0 ? -errno : fetch(arg, fd, content, ret_text);
    if (err == 0 && renameat(cache->dir_fd, part, cache->dir_fd, content->hash) < 0)
        err = -errno;
    pthread_mutex_lock(&cache->lock);
    make_room(cache);
    pthread_mutex_unlock(&cache->lock);
    return err;
}

static int copy_in_turn(struct cache *cache, const struct content *content, int to, cache_fetch_fn *fetch, void *arg,
                        struct buf *ret_text)
{
    int err = copy_cached(cache, content, to);
    if (err != ERR_NOT_FOUND)
        return err;
    err = fetch_into_cache(cache, content, fetch, arg, ret_text);
    if (err < 0)
        return err;
    err = copy_cached(cache, content, to);
    return err == ERR_NOT_FOUND ? ERR_CORRUPT : err;
}

int cache_copy(struct cache *cache, const struct content *content, int fd, cache_fetch_fn *fetch, void *arg,
               struct buf *ret_text)
{
    struct use use = {.hash = content->hash};
    int err;
    if (content->size > cache->bytes_max) {
        err = fetch(arg, fd, content, ret_text);
    } else {
        begin_use(cache, &use);
        err = copy_in_turn(cache, content, fd, fetch, arg, ret_text);
        end_use(cache, &use);
    }
    if (err < 0 && ret_text->len == 0)
        buf_append_text(ret_text, error_text(err));
    return err < 0 ? emptied(fd, err) : 0;
}

// --- Its life

static void remove_parts(const struct cache *cache)
{
    CLEANUP(free_ptr) struct entry *entries = NULL;
    size_t count = list_entries(cache, &entries);
    for (size_t i = 0; i < count; i++) {
        if (!content_hash_valid(str_of(entries[i].name)))
            unlinkat(cache->dir_fd, entries[i].name, 0);
    }
}

int cache_open(const char *dir, uint64_t bytes_max, struct cache **ret)
{
    int err = dir_make_all(dir, 0700);
    if (err < 0)
        return err;
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    struct cache *cache = xcalloc(1, sizeof(*cache));
    cache->dir_fd = fd;
    cache->bytes_max = bytes_max;
    pthread_mutex_init(&cache->lock, NULL);
    pthread_cond_init(&cache->changed, NULL);
    list_init(&cache->busy);
    remove_parts(cache);
    make_room(cache);
    *ret = cache;
    return 0;
}

void cache_free(struct cache **cache_ptr)
{
    struct cache *cache = TAKE_PTR(*cache_ptr);
    if (!cache)
        return;
    close_fd(&cache->dir_fd);
    pthread_mutex_destroy(&cache->lock);
    pthread_cond_destroy(&cache->changed);
    free(cache);
}
