// TLS for servers, by OpenSSL: TLS 1.2 (with authenticated ciphers alone) and 1.3, certificate chain and key from PEM
// files. Thread-safe; connections keep the context that they started with, so that a reload touches only new ones.
#pragma once

#include "util/buf.h"

struct tls_server;

int tls_server_new(const char *cert_file, const char *key_file, struct buf *ret_error, struct tls_server **ret);
// Reads the files again; on error the old certificate stays in force.
int tls_server_reload(struct tls_server *tls, struct buf *ret_error);
void tls_server_free(struct tls_server **tls);
