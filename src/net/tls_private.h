// The TLS side of one connection, for conn.c alone. No function blocks or raises SIGPIPE.
#pragma once

#include "net/tls.h"

#include <sys/types.h>

struct tls_session;

struct tls_session *tls_session_new(struct tls_server *tls, int fd); // the caller keeps the descriptor
void tls_session_free(struct tls_session **session);
int tls_session_handshake(struct tls_session *session); // 0 when done, -EAGAIN to be called again later, or an error
// Why the handshake failed, in OpenSSL's words. NULL if the peer left without having sent a byte, as port checks do.
const char *tls_session_handshake_failure(const struct tls_session *session);
// Return the number of bytes, 0 at the peer's end, -EAGAIN, or an error. After -EAGAIN, a write must be repeated with
// at least the same bytes.
ssize_t tls_session_read(struct tls_session *session, void *out, size_t len);
ssize_t tls_session_write(struct tls_session *session, const void *data, size_t len);
// The last -EAGAIN waits for the socket to take more.
bool tls_session_wants_write(const struct tls_session *session);
// Bytes were read from the socket that no read has returned yet.
bool tls_session_has_input(const struct tls_session *session);
void tls_session_say_goodbye(struct tls_session *session); // sends close_notify if it can be sent
