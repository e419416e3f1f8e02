#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#define ACCEPTS_PER_TURN 64 // so that a flood of new connections does not starve the old ones
#define PAUSE_MS         1000

struct listener {
    struct loop *loop;
    struct watch *watch;
    struct timer *pause;
    int fd;
    unsigned port;
    void (*accepted)(void *arg, int fd);
    void (*failed)(void *arg, int err); // may be NULL
    void *arg;
    bool *freed; // not NULL while `accepted` runs
};

union address {
    struct sockaddr any;
    struct sockaddr_in v4;
    struct sockaddr_in6 v6;
};

static bool parse_address(const char *text, union address *ret, socklen_t *ret_len)
{
    const char *colon = text ? strrchr(text, ':') : NULL;
    if (!colon)
        return false;
    uint64_t port = 0;
    if (!str_to_u64(str_of(colon + 1), &port) || port > UINT16_MAX)
        return false;
    char host[INET6_ADDRSTRLEN] = "127.0.0.1";
    struct str given = str_n(text, (size_t)(colon - text));
    bool v6 = given.len >= 2 && given.data[0] == '[' && given.data[given.len - 1] == ']';
    if (v6)
        given = str_n(given.data + 1, given.len - 2);
    if (given.len >= sizeof(host))
        return false;
    if (given.len > 0 && !str_eq(given, STR("localhost"))) {
        memcpy(host, given.data, given.len);
        host[given.len] = 0;
    }
    memset(ret, 0, sizeof(*ret));
    if (v6) {
        ret->v6.sin6_family = AF_INET6;
        ret->v6.sin6_port = htons((uint16_t)port);
        *ret_len = sizeof(ret->v6);
        return inet_pton(AF_INET6, host, &ret->v6.sin6_addr) == 1;
    }
    ret->v4.sin_family = AF_INET;
    ret->v4.sin_port = htons((uint16_t)port);
    *ret_len = sizeof(ret->v4);
    return inet_pton(AF_INET, host, &ret->v4.sin_addr) == 1;
}

bool address_valid(const char *text)
{
    union address address;
    socklen_t len;
    return parse_address(text, &address, &len);
}

bool address_is_loopback(const char *text)
{
    union address address;
    socklen_t len;
    if (!parse_address(text, &address, &len))
        return false;
    if (address.any.sa_family == AF_INET)
        return ntohl(address.v4.sin_addr.s_addr) >> 24 == 127;
    return IN6_IS_ADDR_LOOPBACK(&address.v6.sin6_addr);
}

static void resume_accepting(void *arg)
{
    struct listener *listener = arg;
    watch_set(listener->watch, WATCH_READ);
}

static void on_ready(void *arg, unsigned events)
{
    struct listener *listener = arg;
    (void)events;
    bool freed = false;
    listener->freed = &freed;
    for (int i = 0; i < ACCEPTS_PER_TURN; i++) {
        int fd = accept4(listener->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            listener->accepted(listener->arg, fd);
            if (freed)
                return;
            continue;
        }
        if (errno == EAGAIN)
            break;
        if (errno == ECONNABORTED || errno == EINTR)
            continue;
        // Descriptors or memory are used up. The listening socket stays readable, so the only help is to stop accepting
        // for a while.
        int err = -errno;
        watch_set(listener->watch, 0);
        timer_start(listener->pause, PAUSE_MS);
        if (listener->failed)
            listener->failed(listener->arg, err);
        break;
    }
    listener->freed = NULL;
}

static int start(struct loop *loop, int *fd, void (*accepted)(void *arg, int fd), void *arg, struct listener **ret)
{
    union address bound = {0};
    socklen_t len = sizeof(bound);
    if (getsockname(*fd, &bound.any, &len) < 0)
        return -errno;
    struct listener *listener = xcalloc(1, sizeof(*listener));
    listener->loop = loop;
    listener->fd = *fd;
    listener->accepted = accepted;
    listener->arg = arg;
    if (bound.any.sa_family == AF_INET6)
        listener->port = ntohs(bound.v6.sin6_port);
    else if (bound.any.sa_family == AF_INET)
        listener->port = ntohs(bound.v4.sin_port);
    int err = watch_new(loop, listener->fd, on_ready, listener, &listener->watch);
    if (err < 0) {
        free(listener);
        return err;
    }
    listener->pause = timer_new(loop, resume_accepting, listener);
    watch_set(listener->watch, WATCH_READ);
    *fd = -1;
    *ret = listener;
    return 0;
}

int listener_new(struct loop *loop, const char *address, void (*accepted)(void *arg, int fd), void *arg,
                 struct listener **ret)
{
    union address wanted;
    socklen_t len;
    if (!parse_address(address, &wanted, &len))
        return ERR_MALFORMED;
    CLEANUP(close_fd) int fd = socket(wanted.any.sa_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &on, sizeof(on)) < 0 || bind(fd, &wanted.any, len) < 0 ||
        listen(fd, SOMAXCONN) < 0)
        return -errno;
    return start(loop, &fd, accepted, arg, ret);
}

int address_probe(const char *address)
{
    union address wanted;
    socklen_t len;
    if (!parse_address(address, &wanted, &len))
        return ERR_MALFORMED;
    CLEANUP(close_fd) int fd = socket(wanted.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int on = 1;
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    return bind(fd, &wanted.any, len) < 0 ? -errno : 0;
}

int listener_from_fd(struct loop *loop, int inherited, void (*accepted)(void *arg, int fd), void *arg,
                     struct listener **ret)
{
    CLEANUP(close_fd) int fd = fcntl(inherited, F_DUPFD_CLOEXEC, 3);
    if (fd < 0)
        return -errno;
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0)
        return -errno;
    int listening = 0;
    socklen_t len = sizeof(listening);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) < 0)
        return -errno;
    if (!listening)
        return -EINVAL;
    return start(loop, &fd, accepted, arg, ret);
}

void listener_on_failure(struct listener *listener, void (*failed)(void *arg, int err))
{
    listener->failed = failed;
}

unsigned listener_port(const struct listener *listener)
{
    return listener->port;
}

void listener_free(struct listener **listener_ptr)
{
    struct listener *listener = *listener_ptr;
    if (!listener)
        return;
    *listener_ptr = NULL;
    if (listener->freed)
        *listener->freed = true;
    watch_free(&listener->watch);
    timer_free(&listener->pause);
    close_fd(&listener->fd);
    free(listener);
}
