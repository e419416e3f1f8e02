#include "util/beneath.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

// For kernels, and filters of system calls, that do not know openat2.
static int open_by_parts(int dir_fd, const char *path, int flags, mode_t mode)
{
    CLEANUP(close_fd) int parent = -1;
    struct str rest = str_of(path);
    if (path[0] == '/')
        return -EXDEV;
    for (;;) {
        struct str part = str_split(&rest, '/');
        CLEANUP(free_ptr) char *name = xstrndup(part.data, part.len);
        if (str_eq(part, STR("..")))
            return -EXDEV;
        int at = parent < 0 ? dir_fd : parent;
        bool last = rest.len == 0;
        int fd = openat(at, name, last ? flags : O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC, last ? mode : 0);
        if (fd < 0)
            return errno == ENOTDIR ? -ELOOP : -errno;
        if (last)
            return fd;
        close_fd(&parent);
        parent = fd;
    }
}

int beneath_open(int dir_fd, const char *path, int flags, mode_t mode)
{
    flags |= O_CLOEXEC | O_NOFOLLOW;
    struct open_how how = {.flags = (uint64_t)(unsigned)flags,
                           .mode = flags & O_CREAT ? mode : 0,
                           .resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS};
    long fd;
    do {
        fd = syscall(SYS_openat2, dir_fd, path, &how, sizeof(how));
    } while (fd < 0 && (errno == EINTR || errno == EAGAIN)); // EAGAIN: something was renamed meanwhile
    if (fd >= 0)
        return (int)fd;
    return errno == ENOSYS || errno == EPERM ? open_by_parts(dir_fd, path, flags, mode) : -errno;
}

int beneath_open_parent(int dir_fd, const char *path, mode_t mode, const char **ret_name)
{
    int parent = beneath_open(dir_fd, ".", O_RDONLY | O_DIRECTORY, 0);
    for (const char *slash; parent >= 0 && (slash = strchr(path, '/')); path = slash + 1) {
        CLEANUP(free_ptr) char *name = xstrndup(path, (size_t)(slash - path));
        CLEANUP(close_fd) int above = parent;
        if (mkdirat(above, name, mode) < 0 && errno != EEXIST)
            return -errno;
        parent = beneath_open(above, name, O_RDONLY | O_DIRECTORY, 0);
    }
    if (parent >= 0)
        *ret_name = path;
    return parent;
}
