// Digests, for the rooms above, which must not see OpenSSL.
#pragma once

#include "util/base64.h"

void sha256(const void *data, size_t len, uint8_t out[32]);
// The same of what comes in pieces.
struct sha256_stream;
struct sha256_stream *sha256_begin(void);
void sha256_add(struct sha256_stream *stream, const void *data, size_t len);
void sha256_end(struct sha256_stream **stream, uint8_t out[32]); // frees it
void sha256_free(struct sha256_stream **stream);                 // without a result

void hmac_sha256(struct str key, const void *data, size_t len, uint8_t out[32]);
void sha1(const void *data, size_t len, uint8_t out[20]); // for the WebSocket handshake only
