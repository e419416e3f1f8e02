#include "server/systemd.h"

#include "util/str.h"
#include "util/unix_path.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

#define LISTEN_FDS_MAX 64

void systemd_notify(const char *state)
{
    const char *path = getenv("NOTIFY_SOCKET");
    CLEANUP(unix_path_release) struct unix_path found = {.dir_fd = -1};
    struct sockaddr_un *address = &found.address;

    if (!path || (path[0] != '/' && path[0] != '@') || unix_path_find(path, &found) < 0)
        return;
    socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + strlen(address->sun_path));
    if (path[0] == '@')
        address->sun_path[0] = '\0'; // an abstract address
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return;
    // If this fails, there is nobody to tell it to.
    (void)!sendto(fd, state, strlen(state), MSG_NOSIGNAL, (const struct sockaddr *)address, len);
}

unsigned systemd_listen_fds(void)
{
    const char *pid_text = getenv("LISTEN_PID"), *fds_text = getenv("LISTEN_FDS");
    uint64_t pid, fds;

    if (!pid_text || !fds_text || !str_to_u64(str_of(pid_text), &pid) || !str_to_u64(str_of(fds_text), &fds))
        return 0;
    if (pid != (uint64_t)getpid() || fds > LISTEN_FDS_MAX)
        return 0;
    for (unsigned i = 0; i < fds; i++)
        fcntl(SYSTEMD_FIRST_FD + (int)i, F_SETFD, FD_CLOEXEC);
    return (unsigned)fds;
}
