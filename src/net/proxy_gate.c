#include "net/proxy_gate.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

struct proxy_gate {
    struct proxy_gate_options options;
    struct list_node waiting; // struct waiting
    size_t count;
};

struct waiting {
    struct list_node node;
    struct proxy_gate *gate;
    struct watch *watch;
    struct timer *timeout;
    struct net_address peer;
    int fd;
    size_t len;
    uint8_t data[PROXY_HEADER_MAX];
};

// Forgets the waiting connection, and returns its descriptor.
static int leave(struct waiting *it)
{
    int fd = it->fd;
    list_remove(&it->node);
    it->gate->count--;
    watch_free(&it->watch);
    timer_free(&it->timeout);
    free(it);
    return fd;
}

static void refuse(struct waiting *it, int err)
{
    struct proxy_gate *gate = it->gate;
    struct net_address peer = it->peer;
    CLEANUP(close_fd) int fd = leave(it);
    (void)fd;
    gate->options.refused(gate->options.arg, &peer, err);
}

// Never reads beyond the header: the bytes behind it are the client's, maybe encrypted, and not for this room. The
// length of a header of version 1 is not known, so its bytes are first peeked at and then read.
static ssize_t read_wanted(struct waiting *it, size_t wanted)
{
    if (wanted != PROXY_HEADER_TO_LINE_END)
        return recv(it->fd, it->data + it->len, wanted, MSG_DONTWAIT);
    size_t most = MIN(sizeof(it->data) - it->len, (size_t)128);
    ssize_t got = recv(it->fd, it->data + it->len, most, MSG_DONTWAIT | MSG_PEEK);
    if (got <= 0)
        return got;
    const uint8_t *newline = memchr(it->data + it->len, '\n', (size_t)got);
    size_t part = newline ? (size_t)(newline - (it->data + it->len)) + 1 : (size_t)got;
    return recv(it->fd, it->data + it->len, part, MSG_DONTWAIT);
}

static void on_ready(void *arg, unsigned events)
{
    struct waiting *it = arg;
    (void)events;
    for (;;) {
        struct proxy_header header;
        int wanted = proxy_header_parse(it->data, it->len, &header);
        if (wanted < 0) {
            refuse(it, wanted);
            return;
        }
        if (wanted == 0) {
            struct proxy_gate *gate = it->gate;
            gate->options.passed(gate->options.arg, leave(it), &header);
            return;
        }
        ssize_t got = read_wanted(it, (size_t)wanted);
        if (got < 0 && errno == EINTR)
            continue;
        if (got < 0 && errno == EAGAIN)
            return;
        if (got <= 0) {
            refuse(it, got < 0 ? -errno : ERR_CLOSED);
            return;
        }
        it->len += (size_t)got;
    }
}

static void on_timeout(void *arg)
{
    refuse(arg, ERR_TIMEOUT);
}

struct proxy_gate *proxy_gate_new(const struct proxy_gate_options *options)
{
    struct proxy_gate *gate = xcalloc(1, sizeof(*gate));
    gate->options = *options;
    list_init(&gate->waiting);
    return gate;
}

void proxy_gate_free(struct proxy_gate **gate_ptr)
{
    struct proxy_gate *gate = TAKE_PTR(*gate_ptr);
    if (!gate)
        return;
    while (!list_empty(&gate->waiting)) {
        CLEANUP(close_fd) int fd = leave(CONTAINER_OF(gate->waiting.next, struct waiting, node));
        (void)fd;
    }
    free(gate);
}

void proxy_gate_accept(struct proxy_gate *gate, int fd, const struct net_address *peer)
{
    struct watch *watch = NULL;
    struct waiting *it = xcalloc(1, sizeof(*it));
    int err =
        gate->count >= gate->options.waiting_max ? ERR_RATE : watch_new(gate->options.loop, fd, on_ready, it, &watch);
    if (err < 0) {
        free(it);
        close_fd(&fd);
        gate->options.refused(gate->options.arg, peer, err);
        return;
    }
    it->gate = gate;
    it->watch = watch;
    it->peer = *peer;
    it->fd = fd;
    it->timeout = timer_new(gate->options.loop, on_timeout, it);
    timer_start(it->timeout, gate->options.timeout_ms);
    list_push_back(&gate->waiting, &it->node);
    gate->count++;
    watch_set(watch, WATCH_READ);
}
