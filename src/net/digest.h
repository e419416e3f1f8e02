// Digests and base64, for the rooms above, which must not see OpenSSL.
#pragma once

#include "util/str.h"

void sha256(const void *data, size_t len, uint8_t out[32]);
void sha1(const void *data, size_t len, uint8_t out[20]);          // for the WebSocket handshake only
size_t base64_encode(const void *data, size_t len, char *out);     // NUL-terminated; out holds 4 * ((len + 2) / 3) + 1
bool base64_decode(struct str s, uint8_t *out, size_t *inout_len); // standard alphabet, padded
