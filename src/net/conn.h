// A connection: bytes in, bytes out, plain or by TLS. It lives on one loop. Output is a queue of segments; a segment is
// copied or is a shared payload. What can be sent at once is sent directly; the rest is sent with writev when the
// socket takes more. The queue has no limit: producers ask conn_pending and wait for `drained`.
#pragma once

#include "loop/loop.h"
#include "net/address.h"
#include "util/payload.h"

struct conn;
struct tls_server;

// The loop alone makes these calls. They never come from within a call of the functions below.
struct conn_handler {
    // Bytes have arrived. The owner must take all of them, and copy what it cannot use yet. Not called while reading is
    // paused.
    void (*data)(void *owner, const uint8_t *data, size_t len);
    // The queue was not empty and is empty now. May be NULL.
    void (*drained)(void *owner);
    // The peer has sent its last byte; the owner can still write. If it is NULL, the connection ends, and `closed` says
    // so.
    void (*half_closed)(void *owner);
    // The peer closed its side, or the connection failed (err < 0, ERR_CLOSED for an orderly end), or conn_shutdown has
    // finished. Called once. Nothing is sent any more. The owner must call conn_free, within the callback or later.
    void (*closed)(void *owner, int err);
};

// Takes over `fd`, a stream socket that is non-blocking and CLOEXEC. `tls` may be NULL. The TLS handshake is done
// before `data` is called for the first time.
struct conn *conn_new(struct loop *loop, int fd, struct tls_server *tls, const struct conn_handler *handler,
                      void *owner);
// Changes the owner. For upgrades.
void conn_set_handler(struct conn *conn, const struct conn_handler *handler, void *owner);
// Drops what was not sent, and closes. No callback runs afterwards. Allowed within callbacks.
void conn_free(struct conn **conn);

// Counts how many of its connections are open, whoever owns them now. It lives until its last connection is gone. It is
// for one loop.
struct conn_count;
struct conn_count *conn_count_new(void);
void conn_count_unref(struct conn_count **count);
unsigned conn_count_open(const struct conn_count *count);
// Calls `none` once when the last of the connections is gone: at once if there is none, otherwise from within
// conn_free. NULL cancels the call.
void conn_count_when_none(struct conn_count *count, void (*none)(void *arg), void *arg);
// At most once per connection. Takes its own reference.
void conn_set_count(struct conn *conn, struct conn_count *count);

// All writes of one turn are sent at the end of the turn, with one writev.
void conn_write(struct conn *conn, const void *data, size_t len);
// Takes its own reference.
void conn_write_payload(struct conn *conn, struct payload *payload, size_t offset, size_t len);
size_t conn_pending(const struct conn *conn);
// Copies the part of shared payloads that is still to be sent, and releases the payloads. So a peer that does not read
// keeps no more memory than that part.
void conn_unshare(struct conn *conn);
void conn_pause_read(struct conn *conn, bool paused);
// Sends everything, half-closes, waits for the peer's end, and calls `closed`. This order makes sure that a reset does
// not lose the last bytes. After 5 s without progress the connection is closed by force. What the peer sends meanwhile
// is thrown away.
void conn_shutdown(struct conn *conn);
const char *conn_peer(const struct conn *conn); // "127.0.0.1:4711"; the part before the last colon is the address
const struct net_address *conn_address(const struct conn *conn);
void conn_set_address(struct conn *conn, const struct net_address *peer); // a proxy has told the address of the client
bool conn_is_tls(const struct conn *conn);
bool conn_is_ready(const struct conn *conn); // false during the TLS handshake
// Why the handshake failed. NULL if it did not fail, or if the peer had not sent a byte.
const char *conn_handshake_failure(const struct conn *conn);
uint64_t conn_last_read_ms(const struct conn *conn);  // loop time at which bytes were last read
uint64_t conn_last_write_ms(const struct conn *conn); // loop time at which sending last made progress
