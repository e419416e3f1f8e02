// LD_PRELOADed into the program under test: writes down, in order, everything that it does to files below
// POWER_TRACE_ROOT, and what of it it has made durable, into the file POWER_TRACE. tests/e2e/support/power.py makes of
// any moment of such a trace what a disk may hold when the power fails then.
//
// A change is noted after it was made, a sync before it begins and again after it has ended: so what is noted before
// the beginning was surely covered.
#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum op {
    OP_CREATE = 1,
    OP_WRITE,
    OP_SIZE,
    OP_PUNCH,
    OP_SYNC_BEGIN,
    OP_SYNC_END,
    OP_RENAME,
    OP_UNLINK,
    OP_MKDIR,
    OP_RMDIR,
    OP_LINK
};

struct entry {
    uint32_t op, path_len, data_len, reserved;
    uint64_t inode, offset, length, time_ns;
};

#define REAL(name) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))

static int trace_fd(void)
{
    static _Atomic int fd = -1;
    const char *path = getenv("POWER_TRACE");
    if (fd < 0 && path)
        fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_APPEND | O_CLOEXEC);
    return fd;
}

static int below_root(const char *path)
{
    const char *root = getenv("POWER_TRACE_ROOT");
    size_t len = root ? strlen(root) : 0;
    return len > 0 && strncmp(path, root, len) == 0 && (path[len] == '/' || path[len] == 0);
}

static void note(enum op op, uint64_t inode, uint64_t offset, uint64_t length, const char *path, const void *data,
                 size_t len)
{
    int kept = errno;
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    struct entry entry = {.op = op,
                          .path_len = path ? (uint32_t)strlen(path) : 0,
                          .data_len = (uint32_t)len,
                          .inode = inode,
                          .offset = offset,
                          .length = length,
                          .time_ns = (uint64_t)now.tv_sec * 1000000000 + (uint64_t)now.tv_nsec};
    struct iovec parts[] = {
        {&entry, sizeof(entry)}, {(char *)(uintptr_t)path, entry.path_len}, {(void *)(uintptr_t)data, len}};
    // One call each, so that threads and processes do not mix. A trace with a hole would prove nothing.
    if (syscall(SYS_writev, trace_fd(), parts, 3) != (long)(sizeof(entry) + entry.path_len + len))
        _exit(97);
    errno = kept;
}

// The file behind a descriptor, if it is to be traced: its path and inode.
static int traced(int fd, char path[PATH_MAX], uint64_t *ret_inode)
{
    int kept = errno;
    char link[64];
    struct stat info;
    snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
    ssize_t len = readlink(link, path, PATH_MAX - 1);
    path[len > 0 ? len : 0] = 0;
    int yes = len > 0 && trace_fd() >= 0 && below_root(path) && fstat(fd, &info) == 0;
    if (yes)
        *ret_inode = info.st_ino;
    errno = kept;
    return yes;
}

static const char *absolute(int dir, const char *path, char out[PATH_MAX])
{
    char base[PATH_MAX] = "", link[64];
    int kept = errno;
    if (path[0] == '/')
        return path;
    if (dir == AT_FDCWD) {
        snprintf(link, sizeof(link), "/proc/self/cwd");
    } else {
        snprintf(link, sizeof(link), "/proc/self/fd/%d", dir);
    }
    ssize_t len = readlink(link, base, sizeof(base) - 1);
    base[len > 0 ? len : 0] = 0;
    if (snprintf(out, PATH_MAX, "%s/%s", base, path) >= PATH_MAX)
        out[0] = 0;
    errno = kept;
    return out;
}

static int open_traced(int dir, const char *path, int flags, mode_t mode)
{
    int kept = errno;
    int existed = !(flags & O_CREAT) || faccessat(dir, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    errno = kept;
    int fd = REAL(openat64)(dir, path, flags, mode);
    char name[PATH_MAX];
    uint64_t inode;
    if (fd < 0 || (existed && !(flags & O_TRUNC)) || !traced(fd, name, &inode))
        return fd;
    if (existed)
        note(OP_SIZE, inode, 0, 0, NULL, NULL, 0);
    else
        note(OP_CREATE, inode, 0, 0, name, NULL, 0);
    return fd;
}

#define OPEN(name, dir, ...)                                                    \
    int name(__VA_ARGS__ const char *path, int flags, ...)                      \
    {                                                                           \
        va_list rest;                                                           \
        va_start(rest, flags);                                                  \
        mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
        va_end(rest);                                                           \
        return open_traced(dir, path, flags, mode);                             \
    }
#define FIRST int dir,
OPEN(open, AT_FDCWD, )
OPEN(open64, AT_FDCWD, )
OPEN(openat, dir, FIRST)
OPEN(openat64, dir, FIRST)

static void wrote(int fd, const void *data, ssize_t done, off64_t offset)
{
    char path[PATH_MAX];
    uint64_t inode;
    if (done > 0 && traced(fd, path, &inode))
        note(OP_WRITE, inode, (uint64_t)offset, (uint64_t)done, NULL, data, (size_t)done);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
    ssize_t done = REAL(pwrite64)(fd, data, len, offset);
    wrote(fd, data, done, offset);
    return done;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    return pwrite64(fd, data, len, offset);
}

ssize_t write(int fd, const void *data, size_t len)
{
    ssize_t done = REAL(write)(fd, data, len);
    int kept = errno;
    off64_t end = done > 0 ? lseek64(fd, 0, SEEK_CUR) : -1;
    errno = kept;
    if (end >= 0)
        wrote(fd, data, done, end - done);
    return done;
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    ssize_t done = REAL(pwritev64)(fd, parts, count, offset);
    ssize_t left = done;
    for (int i = 0; i < count && left > 0; i++) {
        ssize_t step = (ssize_t)parts[i].iov_len < left ? (ssize_t)parts[i].iov_len : left;
        wrote(fd, parts[i].iov_base, step, offset);
        offset += step;
        left -= step;
    }
    return done;
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    return pwritev64(fd, parts, count, offset);
}

int ftruncate64(int fd, off64_t size)
{
    char path[PATH_MAX];
    uint64_t inode;
    int rc = REAL(ftruncate64)(fd, size);
    if (rc == 0 && traced(fd, path, &inode))
        note(OP_SIZE, inode, 0, (uint64_t)size, NULL, NULL, 0);
    return rc;
}

int ftruncate(int fd, off_t size)
{
    return ftruncate64(fd, size);
}

int fallocate64(int fd, int mode, off64_t offset, off64_t len)
{
    char path[PATH_MAX];
    uint64_t inode;
    int rc = REAL(fallocate64)(fd, mode, offset, len);
    if (rc == 0 && mode & FALLOC_FL_PUNCH_HOLE && traced(fd, path, &inode))
        note(OP_PUNCH, inode, (uint64_t)offset, (uint64_t)len, NULL, NULL, 0);
    return rc;
}

int fallocate(int fd, int mode, off_t offset, off_t len)
{
    return fallocate64(fd, mode, offset, len);
}

static int sync_traced(int fd, int (*real)(int))
{
    char path[PATH_MAX];
    uint64_t inode;
    if (!traced(fd, path, &inode))
        return real(fd);
    uint64_t thread = (uint64_t)syscall(SYS_gettid); // several may sync one folder at once
    note(OP_SYNC_BEGIN, inode, thread, 0, path, NULL, 0);
    int rc = real(fd);
    if (rc == 0)
        note(OP_SYNC_END, inode, thread, 0, path, NULL, 0);
    return rc;
}

int fsync(int fd)
{
    return sync_traced(fd, REAL(fsync));
}

int fdatasync(int fd)
{
    return sync_traced(fd, REAL(fdatasync));
}

static void renamed(enum op op, int old_dir, const char *old, int new_dir, const char *new)
{
    char from[PATH_MAX], to[PATH_MAX];
    const char *old_path = absolute(old_dir, old, from), *new_path = absolute(new_dir, new, to);
    if (trace_fd() >= 0 && below_root(old_path) && below_root(new_path))
        note(op, 0, 0, 0, old_path, new_path, strlen(new_path));
}

int rename(const char *old, const char *new)
{
    int rc = REAL(rename)(old, new);
    if (rc == 0)
        renamed(OP_RENAME, AT_FDCWD, old, AT_FDCWD, new);
    return rc;
}

int renameat2(int old_dir, const char *old, int new_dir, const char *new, unsigned flags)
{
    int rc = REAL(renameat2)(old_dir, old, new_dir, new, flags);
    if (rc == 0)
        renamed(OP_RENAME, old_dir, old, new_dir, new);
    return rc;
}

int link(const char *old, const char *new)
{
    int rc = REAL(link)(old, new);
    if (rc == 0)
        renamed(OP_LINK, AT_FDCWD, old, AT_FDCWD, new);
    return rc;
}

int linkat(int old_dir, const char *old, int new_dir, const char *new, int flags)
{
    int rc = REAL(linkat)(old_dir, old, new_dir, new, flags);
    if (rc == 0)
        renamed(OP_LINK, old_dir, old, new_dir, new);
    return rc;
}

static void changed(enum op op, int dir, const char *path)
{
    char buffer[PATH_MAX];
    const char *full = absolute(dir, path, buffer);
    if (trace_fd() >= 0 && below_root(full))
        note(op, 0, 0, 0, full, NULL, 0);
}

int unlink(const char *path)
{
    int rc = REAL(unlink)(path);
    if (rc == 0)
        changed(OP_UNLINK, AT_FDCWD, path);
    return rc;
}

int unlinkat(int dir, const char *path, int flags)
{
    int rc = REAL(unlinkat)(dir, path, flags);
    if (rc == 0)
        changed(flags & AT_REMOVEDIR ? OP_RMDIR : OP_UNLINK, dir, path);
    return rc;
}

int mkdir(const char *path, mode_t mode)
{
    int rc = REAL(mkdir)(path, mode);
    if (rc == 0)
        changed(OP_MKDIR, AT_FDCWD, path);
    return rc;
}

int rmdir(const char *path)
{
    int rc = REAL(rmdir)(path);
    if (rc == 0)
        changed(OP_RMDIR, AT_FDCWD, path);
    return rc;
}
