#include "net/unix_socket.h"

#include "util/error.h"
#include "util/unix_path.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

// Removes the file of a dead server. Returns 0 when the path is free.
static int clear_path(const struct sockaddr_un *address)
{
    struct stat info;
    if (lstat(address->sun_path, &info) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (!S_ISSOCK(info.st_mode))
        return -EEXIST;
    CLEANUP(close_fd) int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return -errno;
    // EAGAIN means that the backlog is full, so somebody listens.
    if (connect(probe, (const struct sockaddr *)address, sizeof(*address)) == 0 || errno == EAGAIN)
        return -EADDRINUSE;
    if (errno != ECONNREFUSED)
        return -errno;
    return unlink(address->sun_path) < 0 ? -errno : 0;
}

int unix_socket_open(const char *path, mode_t mode, struct unix_socket *ret)
{
    CLEANUP(unix_path_release) struct unix_path found = {.dir_fd = -1};
    struct stat info;
    int err = unix_path_find(path, &found);
    if (!err)
        err = clear_path(&found.address);
    if (err)
        return err;
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    // The server's umask keeps others out until the mode is set.
    if (bind(fd, (const struct sockaddr *)&found.address, sizeof(found.address)) < 0)
        return -errno;
    if (chmod(path, mode) < 0 || listen(fd, SOMAXCONN) < 0 || lstat(path, &info) < 0) {
        err = -errno;
        unlink(path);
        return err;
    }
    *ret = (struct unix_socket){.fd = TAKE_FD(fd), .path = xstrdup(path), .device = info.st_dev, .inode = info.st_ino};
    return 0;
}

void unix_socket_close(struct unix_socket *socket)
{
    struct stat info;
    if (socket->path && lstat(socket->path, &info) == 0 && info.st_dev == socket->device &&
        info.st_ino == socket->inode)
        unlink(socket->path);
    free(socket->path);
    close_fd(&socket->fd);
    *socket = (struct unix_socket){.fd = -1};
}
