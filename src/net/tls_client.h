// The client's side of TLS on a connected socket, for who may wait: TLS 1.2 and 1.3, and the server's certificate must
// be of an authority that is trusted, and for the name by which the server was asked for. The program must ignore
// SIGPIPE.
#pragma once

#include "util/buf.h"

#include <sys/types.h>

struct tls_client;

struct tls_client_options {
    int fd;              // connected; the caller keeps it. It does not block any more
    const char *host;    // a name, or an address
    const char *ca_file; // PEM, of the authorities; "": the system's
    uint64_t wait_ms;    // for each call below, and the handshake
};

// ERR_UNAVAILABLE, with the reason for people: the file may be mended, and so may the server.
int tls_client_open(const struct tls_client_options *options, struct buf *ret_reason, struct tls_client **ret);
void tls_client_free(struct tls_client **client); // says goodbye if that can be sent at once; does nothing for NULL
// Waits for something, and returns how many bytes have come; 0: the server has ended the connection. ERR_TIMEOUT,
// ERR_UNAVAILABLE: it is of no more use.
ssize_t tls_client_read(struct tls_client *client, void *out, size_t len);
int tls_client_write(struct tls_client *client, const void *data, size_t len); // all of it, or the same errors
// Bytes have come that no read has returned yet, beside those that wait in the socket.
bool tls_client_has_input(const struct tls_client *client);
