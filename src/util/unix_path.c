#include "util/unix_path.h"

#include "util/error.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>

int unix_path_at(int dir_fd, const char *name, struct sockaddr_un *ret)
{
    *ret = (struct sockaddr_un){.sun_family = AF_UNIX};
    int len = snprintf(ret->sun_path, sizeof(ret->sun_path), "/proc/self/fd/%d/%s", dir_fd, name);
    return len < (int)sizeof(ret->sun_path) ? 0 : -ENAMETOOLONG;
}

// Only to go through it, which needs no right to read it.
static int open_folder(const char *path, size_t len)
{
    CLEANUP(free_ptr) char *folder = len == 0 ? xstrdup(".") : xstrndup(path, len);
    int fd = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

int unix_path_find(const char *path, struct unix_path *ret)
{
    struct unix_path found = {.address.sun_family = AF_UNIX, .dir_fd = -1};
    size_t len = strlen(path);
    if (len == 0)
        return ERR_MALFORMED;
    if (len < sizeof(found.address.sun_path)) {
        memcpy(found.address.sun_path, path, len);
        *ret = found;
        return 0;
    }
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path;
    int err = found.dir_fd = open_folder(path, (size_t)(name - path));
    if (err >= 0)
        err = unix_path_at(found.dir_fd, name, &found.address);
    if (err < 0)
        close_fd(&found.dir_fd);
    else
        *ret = found;
    return err;
}

void unix_path_release(struct unix_path *path)
{
    close_fd(&path->dir_fd);
}
