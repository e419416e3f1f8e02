// The references: a plain epoll and send(2) program that sends the bytes of a file, with nothing else to do.
//   --mode burst    the first connection is the feeder: for each byte from it all others get the file, one send(2) each
//   --mode stream   each connection gets the file once, `--repeat` times over, and is closed
//   --mode answer   each connection gets the file for each request that it sends
//   --mode ack      each connection gets an ack for the WebSocket frames that it sends; nothing is kept of them
// Prints its port, then serves until its standard input ends.
#include "load.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 256
#define SEND_MAX       (256u * 1024)

enum mode { MODE_BURST, MODE_STREAM, MODE_ANSWER, MODE_ACK };

struct taker {
    int fd;
    bool feeder, out_armed;
    uint64_t sent, goal; // bytes of the file, over and over
    unsigned ends;       // of "\r\n\r\n" seen
    uint64_t next;       // counter behind the last record
    struct buf partial;  // a frame that is not whole yet
};

struct raw {
    enum mode mode;
    int epoll, listener;
    const char *data;
    size_t len;
    uint64_t repeat;
    struct taker **takers;
    size_t count, cap;
};

static void taker_arm(struct raw *raw, struct taker *taker, bool out)
{
    struct epoll_event event = {.events = EPOLLIN | (out ? EPOLLOUT : 0u), .data.ptr = taker};
    if (taker->out_armed == out)
        return;
    taker->out_armed = out;
    epoll_ctl(raw->epoll, EPOLL_CTL_MOD, taker->fd, &event);
}

static void taker_close(struct taker *taker)
{
    if (taker->fd >= 0)
        close(taker->fd);
    taker->fd = -1;
}

static void taker_send(struct raw *raw, struct taker *taker)
{
    while (taker->fd >= 0 && raw->len > 0 && taker->sent < taker->goal) {
        size_t at = (size_t)(taker->sent % raw->len), len = raw->len - at;
        ssize_t sent = send(taker->fd, raw->data + at, MIN(len, (size_t)SEND_MAX), MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            taker_arm(raw, taker, true);
            return;
        }
        if (sent <= 0) {
            taker_close(taker);
            return;
        }
        taker->sent += (uint64_t)sent;
    }
    if (taker->fd < 0)
        return;
    taker_arm(raw, taker, false);
    if (raw->mode == MODE_STREAM)
        shutdown(taker->fd, SHUT_WR);
}

static void raw_accept(struct raw *raw)
{
    for (int fd; (fd = accept4(raw->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0;) {
        struct taker *taker = xcalloc(1, sizeof(*taker));
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = taker};
        taker->fd = fd;
        taker->feeder = raw->mode == MODE_BURST && raw->count == 0;
        if (raw->count == raw->cap) {
            raw->cap = raw->cap ? raw->cap * 2 : 64;
            raw->takers = xrealloc(raw->takers, raw->cap * sizeof(struct taker *));
        }
        raw->takers[raw->count++] = taker;
        epoll_ctl(raw->epoll, EPOLL_CTL_ADD, fd, &event);
        if (raw->mode == MODE_STREAM) {
            taker->goal = raw->len * raw->repeat;
            taker_send(raw, taker);
        }
    }
}

static void raw_burst(struct raw *raw)
{
    for (size_t i = 0; i < raw->count; i++) {
        struct taker *taker = raw->takers[i];
        if (taker->feeder)
            continue;
        taker->goal += raw->len;
        taker_send(raw, taker);
    }
}

// Bytes that a masked frame takes, 0 if it is not whole yet; none is longer than 64 KiB here. Of what it holds only the
// counter of the first record and, in the chunk's head, how many there are (below 128) are looked at.
static size_t masked_frame(const uint8_t *data, size_t len, uint64_t *ret_next)
{
    if (len < 8)
        return 0;
    size_t payload = data[1] & 0x7f, head = 6;
    if (payload == 126) {
        payload = (size_t)data[2] << 8 | data[3];
        head = 8;
    }
    if (len < head + payload || payload < 13)
        return 0;
    const uint8_t *mask = data + head - 4, *bytes = data + head;
    uint64_t next = 0;
    for (unsigned i = 0; i < 8; i++)
        next |= (uint64_t)(bytes[i] ^ mask[i % 4]) << (8 * i);
    *ret_next = next + (bytes[12] ^ mask[0]);
    return head + payload;
}

// One ack for all that one read brought, as the server does.
static void taker_ack(struct taker *taker, const char *bytes, size_t len)
{
    char answer[96] = {(char)0x81};
    size_t used = 0, size;
    buf_append(&taker->partial, bytes, len);
    while ((size = masked_frame((const uint8_t *)taker->partial.data + used, taker->partial.len - used, &taker->next)) >
           0)
        used += size;
    buf_consume(&taker->partial, used);
    if (used == 0)
        return;
    int text = snprintf(answer + 2, sizeof(answer) - 2, "{\"type\":\"ack\",\"sequence_number\":%llu}",
                        (unsigned long long)taker->next - 1);
    answer[1] = (char)text;
    if (send(taker->fd, answer, (size_t)text + 2, MSG_NOSIGNAL) < 0)
        taker_close(taker);
}

static void taker_read(struct raw *raw, struct taker *taker)
{
    char bytes[4096];
    ssize_t got = recv(taker->fd, bytes, sizeof(bytes), 0);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got <= 0) {
        taker_close(taker);
        return;
    }
    if (raw->mode == MODE_ACK) {
        taker_ack(taker, bytes, (size_t)got);
        return;
    }
    for (ssize_t i = 0; i < got; i++) {
        if (taker->feeder) {
            raw_burst(raw);
            continue;
        }
        taker->ends = bytes[i] == "\r\n\r\n"[taker->ends] ? taker->ends + 1 : bytes[i] == '\r';
        if (taker->ends < 4)
            continue;
        taker->ends = 0;
        taker->goal += raw->len;
    }
    if (!taker->feeder)
        taker_send(raw, taker);
}

static void raw_load(struct raw *raw, const char *path)
{
    struct stat info;
    CLEANUP(close_fd) int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &info) != 0 || info.st_size == 0)
        fail("%s: cannot be read", path);
    char *data = xmalloc((size_t)info.st_size);
    for (ssize_t got; raw->len < (size_t)info.st_size; raw->len += (size_t)got)
        if ((got = read(fd, data + raw->len, (size_t)info.st_size - raw->len)) <= 0)
            fail("%s: cannot be read", path);
    raw->data = data;
}

static enum mode mode_named(const char *name)
{
    static const char *const names[] = {"burst", "stream", "answer", "ack"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        if (strcmp(name, names[i]) == 0)
            return (enum mode)i;
    fail("no mode %s", name);
}

// False once whoever started it has closed its input.
static bool raw_turn(struct raw *raw, const struct epoll_event *event)
{
    if (!event->data.ptr)
        return false;
    if (event->data.ptr == raw) {
        raw_accept(raw);
        return true;
    }
    struct taker *taker = event->data.ptr;
    if (event->events & EPOLLOUT)
        taker_send(raw, taker);
    if (taker->fd >= 0 && event->events & ~(uint32_t)EPOLLOUT)
        taker_read(raw, taker);
    return true;
}

int run_raw(struct args *args)
{
    struct raw raw = {.epoll = epoll_create1(EPOLL_CLOEXEC)};
    unsigned port;
    raw.mode = mode_named(args_text(args, "mode", NULL));
    raw.repeat = args_number(args, "repeat", 1);
    const char *file = args_text(args, "file", raw.mode == MODE_ACK ? "" : NULL);
    if (raw.mode != MODE_ACK)
        raw_load(&raw, file);
    args_done(args);
    raw.listener = peer_listen(&port);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &raw};
    epoll_ctl(raw.epoll, EPOLL_CTL_ADD, raw.listener, &event);
    event.data.ptr = NULL;
    epoll_ctl(raw.epoll, EPOLL_CTL_ADD, STDIN_FILENO, &event);
    printf("%u\n", port);
    fflush(stdout);

    bool more = true;
    while (more) {
        struct epoll_event events[EVENTS_AT_ONCE];
        int count = epoll_wait(raw.epoll, events, EVENTS_AT_ONCE, -1);
        for (int i = 0; i < count && more; i++)
            more = raw_turn(&raw, &events[i]);
    }
    return 0;
}
