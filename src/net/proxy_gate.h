// Between a listener and the server: connections whose peer must begin with a header of the PROXY protocol wait here
// for it, and go on with the client's address. One gate a loop.
#pragma once

#include "loop/loop.h"
#include "net/proxy_header.h"

struct proxy_gate;

struct proxy_gate_options {
    struct loop *loop;
    size_t waiting_max;  // connections that may wait at once; above it further ones are closed
    uint64_t timeout_ms; // for the whole header; a connection without it is closed
    // The header was read to its last byte; takes over the fd.
    void (*passed)(void *arg, int fd, const struct proxy_header *header);
    // The connection was closed: ERR_MALFORMED, ERR_TIMEOUT, ERR_RATE (too many wait), ERR_CLOSED, or -errno.
    void (*refused)(void *arg, const struct net_address *peer, int err);
    void *arg;
};

struct proxy_gate *proxy_gate_new(const struct proxy_gate_options *options);
void proxy_gate_free(struct proxy_gate **gate); // closes those that wait, without a word
// Takes over the fd (non-blocking). A callback may come before it returns.
void proxy_gate_accept(struct proxy_gate *gate, int fd, const struct net_address *peer);
