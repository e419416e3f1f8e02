#include "runner/job/control.h"

#include "util/unix_path.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 16

struct control {
    int fd;
    struct watch *watch;
    const struct control_events *events;
    void *arg;
    bool gone;
};

// One message a turn: what it leads to may free this.
static void ready(void *arg, unsigned events)
{
    struct control *control = arg;
    (void)events;
    char text[CONTROL_MESSAGE_MAX];
    ssize_t len = recv(control->fd, text, sizeof(text), MSG_DONTWAIT);
    if (len < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (len <= 0) {
        control->gone = true;
        watch_free(&control->watch);
        control->events->gone(control->arg); // which may free it
        return;
    }
    json_t *root = json_loadb(text, (size_t)len, 0, NULL);
    const char *type = json_string_value(json_object_get(root, "type"));
    if (type)
        control->events->heard(control->arg, type, root);
    json_decref(root);
}

struct control *control_new(struct loop *loop, int fd, const struct control_events *events, void *arg)
{
    struct control *control = xcalloc(1, sizeof(*control));
    *control = (struct control){.fd = fd, .events = events, .arg = arg};
    if (watch_new(loop, fd, ready, control, &control->watch) < 0) {
        control_free(&control);
        return NULL;
    }
    watch_set(control->watch, WATCH_READ);
    return control;
}

void control_free(struct control **control_ptr)
{
    struct control *control = TAKE_PTR(*control_ptr);
    if (!control)
        return;
    watch_free(&control->watch);
    close_fd(&control->fd);
    free(control);
}

int control_detach(struct control **control)
{
    int fd = TAKE_FD((*control)->fd);
    control_free(control);
    return fd;
}

bool control_say(struct control *control, struct str message)
{
    if (!control || control->gone)
        return false;
    if (send(control->fd, message.data, message.len, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return true;
    // A peer that takes nothing more has closed it, which reading tells, or is stuck: then this tells it.
    if (errno != EPIPE)
        shutdown(control->fd, SHUT_RDWR);
    return false;
}

int control_connect(int dir_fd, const char *name, int *ret_fd)
{
    struct sockaddr_un address;
    int err = unix_path_at(dir_fd, name, &address);
    if (err < 0)
        return err;
    CLEANUP(close_fd) int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}

int control_listen(int dir_fd, const char *name, int type, int *ret_fd)
{
    struct sockaddr_un address;
    int err = unix_path_at(dir_fd, name, &address);
    if (err < 0)
        return err;
    CLEANUP(close_fd) int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    unlinkat(dir_fd, name, 0);
    if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, BACKLOG) < 0)
        return -errno;
    *ret_fd = TAKE_FD(fd);
    return 0;
}
