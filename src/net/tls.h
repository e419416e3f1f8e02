// TLS for servers, by OpenSSL: TLS 1.2 (only authenticated ciphers) and TLS 1.3. The certificate chain and the key are
// PEM files. Thread-safe. A connection keeps the certificate that it started with, so a reload changes only new
// connections.
#pragma once

#include "util/buf.h"

struct tls_server;

int tls_server_new(const char *cert_file, const char *key_file, struct buf *ret_error, struct tls_server **ret);
// Reads the files again. On error the old certificate stays in use.
int tls_server_reload(struct tls_server *tls, struct buf *ret_error);
void tls_server_free(struct tls_server **tls);
