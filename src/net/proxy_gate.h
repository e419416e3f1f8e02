// The gate stands between a listener and the server. The peer of each connection here must begin with a header of the
// PROXY protocol. The connection waits here for the header and then goes on, with the client's address. One gate per
// loop.
#pragma once

#include "loop/loop.h"
#include "net/proxy_header.h"

struct proxy_gate;

struct proxy_gate_options {
    struct loop *loop;
    size_t waiting_max;  // connections that may wait at once; further ones are closed
    uint64_t timeout_ms; // for the whole header; then the connection is closed
    // The header was read, and nothing behind it. Takes over the fd.
    void (*passed)(void *arg, int fd, const struct proxy_header *header);
    // The connection was closed. Errors: ERR_MALFORMED, ERR_TIMEOUT, ERR_RATE (too many wait), ERR_CLOSED, or -errno.
    void (*refused)(void *arg, const struct net_address *peer, int err);
    void *arg;
};

struct proxy_gate *proxy_gate_new(const struct proxy_gate_options *options);
void proxy_gate_free(struct proxy_gate **gate); // closes those that wait, and tells nobody
// Takes over the fd (non-blocking). A callback may run before it returns.
void proxy_gate_accept(struct proxy_gate *gate, int fd, const struct net_address *peer);
