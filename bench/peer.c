#include "load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#define HEAD_MAX       16384
#define CREATE_AT_ONCE 200

int peer_listen(unsigned *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 4096) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &len) != 0)
        fail("cannot listen: %s", strerror(errno));
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int peer_connect(unsigned port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int yes = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0)
        fail("cannot connect to port %u: %s", port, strerror(errno));
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
    return fd;
}

void peer_nonblocking(int fd)
{
    if (fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK) != 0)
        fail("fcntl: %s", strerror(errno));
}

void peer_write(int fd, const void *data, size_t len)
{
    const char *at = data;
    while (len > 0) {
        ssize_t sent = send(fd, at, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR)
            continue;
        if (sent <= 0)
            fail("the peer does not take what is sent: %s", strerror(errno));
        at += sent;
        len -= (size_t)sent;
    }
}

// Reads a head into `out`; the offset behind it.
static size_t read_head(int fd, struct buf *out)
{
    for (;;) {
        char *end = out->len >= 4 ? memmem(out->data, out->len, "\r\n\r\n", 4) : NULL;
        if (end)
            return (size_t)(end - out->data) + 4;
        if (out->len > HEAD_MAX)
            fail("the answer's head is too long");
        buf_reserve(out, 4096);
        ssize_t got = recv(fd, out->data + out->len, 4096, 0);
        if (got <= 0)
            fail("no answer: %s", got < 0 ? strerror(errno) : "closed");
        out->len += (size_t)got;
    }
}

static unsigned head_status(const struct buf *head)
{
    unsigned status = 0;
    for (size_t i = 9; i < 12 && i < head->len; i++)
        status = status * 10 + (unsigned)(head->data[i] - '0');
    return status;
}

void peer_upgrade_begin(int fd, const char *key, const char *path)
{
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text,
               "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
               "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
               "Authorization: Bearer %s\r\n\r\n",
               path, key);
    peer_write(fd, text.data, text.len);
}

static void await_status(int fd, unsigned status, struct buf *rest)
{
    CLEANUP(buf_release) struct buf text = {0};
    size_t head = read_head(fd, &text);
    if (head_status(&text) != status)
        fail("refused: %.*s", (int)text.len, text.data);
    buf_append(rest, text.data + head, text.len - head);
}

void peer_upgrade_end(int fd, struct buf *rest)
{
    await_status(fd, 101, rest);
}

void peer_events_begin(int fd, const char *key, const char *path)
{
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text,
               "GET %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAccept: text/event-stream\r\nAuthorization: Bearer %s\r\n\r\n",
               path, key);
    peer_write(fd, text.data, text.len);
}

void peer_events_end(int fd, struct buf *rest)
{
    await_status(fd, 200, rest);
}

void peer_request_begin(int fd, const char *key, const char *method, const char *path, const char *body)
{
    CLEANUP(buf_release) struct buf text = {0};
    buf_printf(&text,
               "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer %s\r\n"
               "Content-Type: application/json\r\nContent-Length: %zu\r\n\r\n%s",
               method, path, key, strlen(body), body);
    peer_write(fd, text.data, text.len);
}

unsigned peer_request_end(int fd)
{
    CLEANUP(buf_release) struct buf text = {0};
    size_t head = read_head(fd, &text);
    const char *field = strcasestr(buf_cstr(&text), "\r\ncontent-length:");
    uint64_t length = field ? strtoull(field + 17, NULL, 10) : 0;
    while (text.len - head < length) {
        buf_reserve(&text, 65536);
        ssize_t got = recv(fd, text.data + text.len, 65536, 0);
        if (got <= 0)
            fail("the answer is cut");
        text.len += (size_t)got;
    }
    return head_status(&text);
}

void executions_create(unsigned port, const char *key, const char *prefix, size_t count)
{
    int fds[CREATE_AT_ONCE];
    size_t open = MIN(count, (size_t)CREATE_AT_ONCE);
    CLEANUP(buf_release) struct buf body = {0};
    for (size_t i = 0; i < open; i++)
        fds[i] = peer_connect(port);
    for (size_t done = 0; done < count; done += open) {
        size_t now = MIN(open, count - done);
        for (size_t i = 0; i < now; i++) {
            buf_reset(&body);
            buf_printf(&body, "{\"execution_id\":\"%s%zu\"}", prefix, done + i);
            peer_request_begin(fds[i], key, "POST", "/api/v1/executions", buf_cstr(&body));
        }
        for (size_t i = 0; i < now; i++) {
            unsigned status = peer_request_end(fds[i]);
            if (status / 100 != 2)
                fail("%s%zu could not be made: %u", prefix, done + i, status);
        }
    }
    for (size_t i = 0; i < open; i++)
        close(fds[i]);
}

void frame_append(struct buf *out, unsigned opcode, const void *data, size_t len)
{
    static const uint8_t mask[8] = {0x3a, 0x91, 0x5c, 0xe7, 0x3a, 0x91, 0x5c, 0xe7};
    const uint8_t *bytes = data;
    buf_reserve(out, len + 14);
    buf_append_byte(out, (char)(0x80 | opcode));
    if (len < 126) {
        buf_append_byte(out, (char)(0x80 | len));
    } else if (len < 65536) {
        buf_append_byte(out, (char)(0x80 | 126));
        buf_append_byte(out, (char)(len >> 8));
        buf_append_byte(out, (char)len);
    } else {
        buf_append_byte(out, (char)(0x80 | 127));
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_append_byte(out, (char)((uint64_t)len >> shift));
    }
    buf_append(out, mask, 4);
    char *to = out->data + out->len;
    for (size_t i = 0; i < len; i++)
        to[i] = (char)(bytes[i] ^ mask[i & 7]);
    out->len += len;
}

size_t frame_parse(const char *data, size_t len, struct frame *ret)
{
    const uint8_t *at = (const uint8_t *)data;
    if (len < 2)
        return 0;
    size_t head = 2;
    uint64_t body = at[1] & 0x7f;
    if (body == 126) {
        if (len < 4)
            return 0;
        head = 4;
        body = (uint64_t)at[2] << 8 | at[3];
    } else if (body == 127) {
        if (len < 10)
            return 0;
        head = 10;
        body = 0;
        for (size_t i = 2; i < 10; i++)
            body = body << 8 | at[i];
    }
    if (len - head < body)
        return 0;
    *ret = (struct frame){.opcode = at[0] & 0x0f, .data = data + head, .len = (size_t)body};
    return head + (size_t)body;
}

size_t event_parse(const char *data, size_t len, struct frame *ret)
{
    static const char data_field[] = "\ndata: ";
    const char *end = memmem(data, len, "\n\n", 2);
    if (!end)
        return 0;
    const char *field = memmem(data, (size_t)(end - data), data_field, sizeof(data_field) - 1);
    *ret = (struct frame){.data = end};
    if (field) {
        *ret = (struct frame){.opcode = 1, .data = field + sizeof(data_field) - 1};
        ret->len = (size_t)(end - ret->data);
    }
    return (size_t)(end + 2 - data);
}
