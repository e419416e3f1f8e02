// Listening sockets. Each loop has its own with SO_REUSEPORT, or all loops share the sockets that systemd has handed
// over (LISTEN_FDS).
#pragma once

#include "net/conn.h"

struct listener;

// "127.0.0.1:7117", "[::1]:7117", "localhost:7117", ":0"; without a host it is 127.0.0.1, names are not looked up. Port
// 0 lets the kernel choose: bind the first, then use listener_port for the others. `accepted` gets a non-blocking
// CLOEXEC fd that it owns. EMFILE and the like pause accepting for a second; see listener_on_failure. Errors:
// ERR_MALFORMED, -errno.
int listener_new(struct loop *loop, const char *address, void (*accepted)(void *arg, int fd), void *arg,
                 struct listener **ret);
// Listens on a duplicate of an inherited listening socket, so each loop can have its own. The caller keeps `fd`.
int listener_from_fd(struct loop *loop, int fd, void (*accepted)(void *arg, int fd), void *arg, struct listener **ret);
// `failed` is called at each pause with the error, -EMFILE and the like. It gets the same `arg` as `accepted`.
void listener_on_failure(struct listener *listener, void (*failed)(void *arg, int err));
unsigned listener_port(const struct listener *listener);
void listener_free(struct listener **listener);
// Returns 0 if nobody listens there, otherwise -EADDRINUSE and the like, or ERR_MALFORMED. Ask it before listening,
// because with SO_REUSEPORT a second server would share the port without notice.
int address_probe(const char *address);
bool address_valid(const char *address);       // true if listener_new takes it
bool address_is_loopback(const char *address); // `address` is "host:port"
