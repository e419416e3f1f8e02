// Base64 (RFC 4648).
#pragma once

#include "util/str.h"

#define BASE64_LEN(len) (4 * (((len) + 2) / 3)) // of what `len` bytes become, without the NUL

size_t base64_encode(const void *data, size_t len, char *out);     // NUL-terminated; out holds BASE64_LEN(len) + 1
bool base64_decode(struct str s, uint8_t *out, size_t *inout_len); // standard alphabet, padded
// The alphabet of section 5, without padding, as JSON Web Tokens have it. Sets *inout_len, at most what it was. Each
// value has one text: bits that belong to no byte must be zero.
bool base64url_decode(struct str s, uint8_t *out, size_t *inout_len);
