// The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt). A proxy sends it before the bytes
// of the client that it speaks for. A value: bytes in, an address out.
#pragma once

#include "net/address.h"

#define PROXY_HEADER_MAX 2048 // version 1 has at most 107 bytes; version 2 has more, by its further fields

struct proxy_header {
    bool has_source;           // false: the proxy speaks for itself (a health check), or does not say for whom
    bool https;                // the client came to the proxy by TLS (only version 2 tells)
    struct net_address source; // the client
};

#define PROXY_HEADER_TO_LINE_END INT32_MAX

// Returns how many more bytes the header certainly has, so that the caller reads nothing behind it. Returns
// PROXY_HEADER_TO_LINE_END if everything up to the next '\n' belongs to the header. Returns 0 when `data` holds all of
// it; then *ret is set. Returns ERR_MALFORMED if it is not a header, or is longer than PROXY_HEADER_MAX.
int proxy_header_parse(const uint8_t *data, size_t len, struct proxy_header *ret);
