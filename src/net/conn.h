// A connection: bytes in, bytes out, plain or TLS. Lives on one loop. Output is a queue of segments, either copied or
// shared payloads; what can be sent at once goes out directly, the rest when the socket takes it, by writev.
// The queue has no bound of its own: producers ask conn_pending and wait for `drained`.
#pragma once

#include "loop/loop.h"
#include "net/address.h"
#include "util/payload.h"

struct conn;
struct tls_server;

// Callbacks come from the loop alone, never from within a call of these functions.
struct conn_handler {
    // Bytes have arrived. Must take all of them (copy what it cannot use yet). Never called while reading is paused.
    void (*data)(void *owner, const uint8_t *data, size_t len);
    // The queue is empty after having been non-empty. May be NULL.
    void (*drained)(void *owner);
    // The peer has sent its last byte; writing to it goes on. NULL: this ends the connection, by `closed`.
    void (*half_closed)(void *owner);
    // The peer closed its side or the connection failed (err < 0, ERR_CLOSED for an orderly end), or conn_shutdown has
    // finished. Called once; nothing is sent any more; the owner must call conn_free, within the callback or later.
    void (*closed)(void *owner, int err);
};

// Takes over `fd` (non-blocking, CLOEXEC), a stream socket. `tls` may be NULL; the handshake is done before the first
// `data`.
struct conn *conn_new(struct loop *loop, int fd, struct tls_server *tls, const struct conn_handler *handler,
                      void *owner);
void conn_set_handler(struct conn *conn, const struct conn_handler *handler, void *owner); // for upgrades
void conn_free(
    struct conn **conn); // drops what was not sent, closes; no callback runs afterwards; allowed in callbacks

// How many of the connections given to it are open, whoever owns them by now. It lives until its last connection has
// gone. One loop.
struct conn_count;
struct conn_count *conn_count_new(void);
void conn_count_unref(struct conn_count **count);
unsigned conn_count_open(const struct conn_count *count);
// Calls when the last of them has gone: at once if none is there, else from within its conn_free. Once; NULL: no more.
void conn_count_when_none(struct conn_count *count, void (*none)(void *arg), void *arg);
void conn_set_count(struct conn *conn, struct conn_count *count); // once; takes its own reference

// Writes are sent at the end of the loop's turn, in one writev.
void conn_write(struct conn *conn, const void *data, size_t len);
void conn_write_payload(struct conn *conn, struct payload *payload, size_t offset,
                        size_t len); // takes its own reference
size_t conn_pending(const struct conn *conn);
// Copies what is pending of shared payloads, so that a peer that does not read keeps no more than that.
void conn_unshare(struct conn *conn);
void conn_pause_read(struct conn *conn, bool paused);
// Flushes all, half-closes, waits for the peer's end, so that what was sent last is not lost to a reset, then `closed`.
// Forced after 5 s without progress. What the peer sends meanwhile is thrown away.
void conn_shutdown(struct conn *conn);
const char *conn_peer(const struct conn *conn); // "127.0.0.1:4711"; the address alone up to the last colon
const struct net_address *conn_address(const struct conn *conn);
void conn_set_address(struct conn *conn, const struct net_address *peer); // of the client that a proxy speaks for
bool conn_is_tls(const struct conn *conn);
bool conn_is_ready(const struct conn *conn); // false while the TLS handshake is under way
// After the handshake has failed: why; NULL otherwise, and when the peer had not sent a byte.
const char *conn_handshake_failure(const struct conn *conn);
uint64_t conn_last_read_ms(const struct conn *conn);  // loop time of the last bytes read
uint64_t conn_last_write_ms(const struct conn *conn); // loop time of the last progress in sending
