#include "util/file.h"

#include "util/id.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#define READ_STEP  65536
#define COPY_BLOCK ((size_t)1024 * 1024)

int file_read_fd(int fd, size_t max, struct buf *ret)
{
    CLEANUP(buf_release) struct buf content = {0};
    struct stat info;
    if (fstat(fd, &info) == 0 && S_ISREG(info.st_mode)) {
        if ((uint64_t)info.st_size > max)
            return -EFBIG;
        buf_reserve(&content, (size_t)info.st_size + 1);
    }
    // The size is only a hint: files in /proc have none, and other files may be growing.
    for (;;) {
        if (content.cap == content.len)
            buf_reserve(&content, READ_STEP);
        ssize_t got = read(fd, content.data + content.len, content.cap - content.len);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0)
            return -errno;
        if (got == 0)
            break;
        content.len += (size_t)got;
        if (content.len > max)
            return -EFBIG;
    }
    buf_release(ret);
    *ret = content;
    content = (struct buf){0};
    return 0;
}

int file_read_all(const char *path, size_t max, struct buf *ret)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    return fd < 0 ? -errno : file_read_fd(fd, max, ret);
}

static void wait_writable(int fd)
{
    struct pollfd waited = {.fd = fd, .events = POLLOUT};
    poll(&waited, 1, -1); // however the wait ends, the next write tells
}

int file_write_full(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t put = write(fd, at, len);
        if (put < 0 && errno == EAGAIN)
            wait_writable(fd);
        else if (put < 0 && errno != EINTR)
            return -errno;
        if (put < 0)
            continue;
        at += put;
        len -= (size_t)put;
    }
    return 0;
}

static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    if (!slash)
        return xstrdup(".");
    return slash == path ? xstrdup("/") : xstrndup(path, (size_t)(slash - path));
}

static int write_synced(const char *path, const void *data, size_t len, unsigned mode)
{
    CLEANUP(close_fd) int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, mode & 0600);
    if (fd < 0)
        return -errno;
    int err = file_write_full(fd, data, len);
    // The mode is set after the data is written, so a mode that opens the file to others never shows half of it. fchmod
    // ignores the umask.
    if (!err && (fchmod(fd, mode) < 0 || fsync(fd) < 0))
        err = -errno;
    return err;
}

int file_write_atomic(const char *path, const void *data, size_t len, unsigned mode)
{
    CLEANUP(free_ptr) char *temporary = xasprintf("%s.%016llx.tmp", path, (unsigned long long)random_u64());
    CLEANUP(free_ptr) char *folder = parent_of(path);
    int err = write_synced(temporary, data, len, mode);
    if (!err && rename(temporary, path) < 0)
        err = -errno;
    if (err) {
        unlink(temporary);
        return err;
    }
    return dir_sync(folder);
}

static int sync_parent(const char *path)
{
    CLEANUP(free_ptr) char *folder = parent_of(path);
    return dir_sync(folder);
}

static int copy_content(const char *from, int to_fd)
{
    CLEANUP(close_fd) int from_fd = open(from, O_RDONLY | O_CLOEXEC);
    char *block = xmalloc(COPY_BLOCK);
    int err = from_fd < 0 ? -errno : 0;
    while (err == 0) {
        ssize_t got = read(from_fd, block, COPY_BLOCK);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            err = got < 0 || fsync(to_fd) < 0 ? -errno : 0;
            break;
        }
        err = file_write_full(to_fd, block, (size_t)got);
    }
    free(block);
    return err;
}

static int move_by_copy(const char *from, const char *to)
{
    CLEANUP(free_ptr) char *partial = xasprintf("%s.partial", to);
    CLEANUP(close_fd) int fd = open(partial, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int err = copy_content(from, fd);
    if (!err && renameat2(AT_FDCWD, partial, AT_FDCWD, to, RENAME_NOREPLACE) < 0)
        err = -errno;
    if (err) {
        unlink(partial);
        return err;
    }
    err = sync_parent(to);
    return err ? err : unlink(from) < 0 ? -errno : 0;
}

int file_move(const char *from, const char *to)
{
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE) < 0)
        return errno == EXDEV ? move_by_copy(from, to) : -errno;
    int err = sync_parent(to);
    return err ? err : sync_parent(from);
}

static int make_one(const char *path, unsigned mode)
{
    struct stat info;
    if (mkdir(path, mode) == 0)
        return 0;
    int err = -errno;
    // mkdir may also fail because the parent forbids writing. A folder that exists is fine all the same.
    if (stat(path, &info) < 0)
        return err;
    return S_ISDIR(info.st_mode) ? 0 : -ENOTDIR;
}

int dir_make_all(const char *path, unsigned mode)
{
    CLEANUP(free_ptr) char *prefix = xstrdup(path);
    if (!*path)
        return -ENOENT;
    for (char *at = prefix + 1; *at; at++) {
        if (*at != '/' || at[-1] == '/')
            continue;
        *at = 0;
        int err = make_one(prefix, mode);
        *at = '/';
        if (err)
            return err;
    }
    return make_one(prefix, mode);
}

int standard_fds_fill(void)
{
    // open() takes the lowest free number, so the loop ends after the last closed descriptor. They are not O_CLOEXEC,
    // because a child must have all three as well.
    for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
        if (fcntl(fd, F_GETFD) < 0 && open("/dev/null", O_RDWR) != fd)
            return errno ? -errno : -EBADF;
    return 0;
}

int dir_sync(const char *path)
{
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fsync(fd) < 0)
        return -errno;
    return 0;
}

#define REMOVE_DEPTH 32 // what lies deeper is moved up first, so that no tree takes more descriptors

struct removal {
    int top;
    unsigned moved; // how many folders were, so far
};

static void close_dir(DIR **dir)
{
    if (*dir)
        closedir(*dir);
}

static int open_folder(int parent, const char *name)
{
    const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    int fd = openat(parent, name, flags);
    if (fd < 0 && errno == EACCES && fchmodat(parent, name, 0700, 0) == 0)
        fd = openat(parent, name, flags);
    return fd;
}

static int remove_below(struct removal *removal, int parent, const char *name, unsigned depth);

static int remove_entry(struct removal *removal, int folder, const char *name, unsigned depth)
{
    if (unlinkat(folder, name, 0) == 0 || errno == ENOENT)
        return 0;
    if (errno == EACCES || errno == EPERM)
        fchmod(folder, 0700);
    if (unlinkat(folder, name, 0) == 0)
        return 0;
    if (errno != EISDIR)
        return -errno;
    if (depth < REMOVE_DEPTH)
        return remove_below(removal, folder, name, depth + 1);
    char up[32];
    snprintf(up, sizeof(up), ".deep.%u", removal->moved++);
    return renameat(folder, name, removal->top, up) < 0 ? -errno : 0;
}

static int remove_below(struct removal *removal, int parent, const char *name, unsigned depth)
{
    int fd = open_folder(parent, name);
    if (fd < 0)
        return -errno;
    CLEANUP(close_dir) DIR *dir = fdopendir(fd);
    int err = 0;
    if (!dir) {
        err = -errno;
        close_fd(&fd);
        return err;
    }
    if (depth == 0)
        removal->top = fd;
    // What is moved up may come behind the end.
    unsigned moved;
    do {
        const struct dirent *entry;
        moved = removal->moved;
        rewinddir(dir);
        while ((entry = readdir(dir))) {
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
                continue;
            int failed = remove_entry(removal, fd, entry->d_name, depth);
            err = err < 0 ? err : failed; // the others go all the same
        }
    } while (depth == 0 && removal->moved > moved);
    if (err == 0 && unlinkat(parent, name, AT_REMOVEDIR) < 0)
        err = -errno;
    return err;
}

int dir_remove_all(const char *path)
{
    struct removal removal = {.top = -1};
    return remove_below(&removal, AT_FDCWD, path, 0);
}
