// Base64 (RFC 4648, section 4).
#pragma once

#include "util/str.h"

#define BASE64_LEN(len) (4 * (((len) + 2) / 3)) // of what `len` bytes become, without the NUL

size_t base64_encode(const void *data, size_t len, char *out);     // NUL-terminated; out holds BASE64_LEN(len) + 1
bool base64_decode(struct str s, uint8_t *out, size_t *inout_len); // standard alphabet, padded
