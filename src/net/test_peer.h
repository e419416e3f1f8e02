// The other end of a connection under test: a real socket on the same loop, which collects what it receives.
#pragma once

#include "loop/loop.h"
#include "util/buf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define PEER_PATIENCE_MS 20000

struct peer {
    struct loop *loop;
    struct watch *watch;
    struct timer *guard;
    int fd;
    struct buf got;
    bool ended, late;
    int error;
    size_t wanted;           // stop the loop when so much was received,
    const char *wanted_text; // or this
};

static bool peer_got(const struct peer *peer, const char *text)
{
    return peer->got.len > 0 && memmem(peer->got.data, peer->got.len, text, strlen(text));
}

static void peer_check(struct peer *peer)
{
    if (peer->ended || (peer->wanted_text && peer_got(peer, peer->wanted_text)) ||
        (peer->wanted && peer->got.len >= peer->wanted))
        loop_stop(peer->loop);
}

static void peer_ready(void *arg, unsigned events)
{
    struct peer *peer = arg;
    (void)events;
    char data[16384];
    ssize_t got = recv(peer->fd, data, sizeof(data), MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN)
        return;
    if (got > 0) {
        buf_append(&peer->got, data, (size_t)got);
    } else {
        peer->ended = true;
        peer->error = got < 0 ? errno : 0;
        watch_set(peer->watch, 0);
    }
    peer_check(peer);
}

static void peer_late(void *arg)
{
    struct peer *peer = arg;
    peer->late = true;
    loop_stop(peer->loop);
}

UNUSED static void peer_init(struct peer *peer, struct loop *loop, int fd)
{
    *peer = (struct peer){.loop = loop, .fd = fd};
    assert_int_equal(watch_new(loop, fd, peer_ready, peer, &peer->watch), 0);
    watch_set(peer->watch, WATCH_READ);
    peer->guard = timer_new(loop, peer_late, peer);
}

// Makes a connected pair; returns the end for the code under test.
UNUSED static int peer_open(struct peer *peer, struct loop *loop)
{
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, ends), 0);
    peer_init(peer, loop, ends[0]);
    return ends[1];
}

UNUSED static int connect_loopback(unsigned port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    return fd;
}

UNUSED static void peer_close(struct peer *peer)
{
    watch_free(&peer->watch);
    timer_free(&peer->guard);
    close_fd(&peer->fd);
    buf_release(&peer->got);
}

UNUSED static void peer_send(struct peer *peer, const void *data, size_t len)
{
    ssize_t sent = send(peer->fd, data, len, MSG_NOSIGNAL);
    assert_int_equal(sent, len);
}

UNUSED static void peer_send_text(struct peer *peer, const char *text)
{
    peer_send(peer, text, strlen(text));
}

// A few turns that do not wait: everything that can happen now does.
UNUSED static void loop_turns(struct loop *loop, int count)
{
    for (int i = 0; i < count; i++) {
        loop_stop(loop);
        loop_run(loop);
    }
}

static void peer_run(struct peer *peer)
{
    timer_start(peer->guard, PEER_PATIENCE_MS);
    peer_check(peer);
    loop_run(peer->loop);
    timer_stop(peer->guard);
    if (peer->late)
        fail_msg("nothing more came after: %s", buf_cstr(&peer->got));
}

UNUSED static void peer_wait_text(struct peer *peer, const char *text)
{
    peer->wanted_text = text;
    peer_run(peer);
    peer->wanted_text = NULL;
    if (!peer_got(peer, text))
        fail_msg("ended without \"%s\": %s", text, buf_cstr(&peer->got));
}

UNUSED static void peer_wait_bytes(struct peer *peer, size_t len)
{
    peer->wanted = len;
    peer_run(peer);
    peer->wanted = 0;
}

UNUSED static void peer_wait_end(struct peer *peer)
{
    peer_run(peer);
    assert_true(peer->ended);
}
