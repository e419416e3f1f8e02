// Digests, for the rooms above, which must not see OpenSSL.
#pragma once

#include "util/base64.h"

void sha256(const void *data, size_t len, uint8_t out[32]);
void sha1(const void *data, size_t len, uint8_t out[20]); // for the WebSocket handshake only
