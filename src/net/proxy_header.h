// The header of the PROXY protocol, versions 1 and 2 (HAProxy's proxy-protocol.txt): what a proxy sends before the
// bytes of the client that it speaks for. A value: bytes in, an address out.
#pragma once

#include "net/address.h"

#define PROXY_HEADER_MAX 2048 // version 1 has at most 107 bytes; version 2 more, by its further fields

struct proxy_header {
    bool has_source;           // false: the proxy speaks for itself (a health check), or does not say for whom
    bool https;                // the client came to the proxy by TLS (version 2 alone tells)
    struct net_address source; // the client
};

#define PROXY_HEADER_TO_LINE_END INT32_MAX

// How many more bytes of the header are surely still to come, so that nothing behind it is read, or
// PROXY_HEADER_TO_LINE_END when all up to the next '\n' belong to it; 0 when `data` holds all of it, and *ret is set.
// ERR_MALFORMED for what is no header, or one longer than PROXY_HEADER_MAX.
int proxy_header_parse(const uint8_t *data, size_t len, struct proxy_header *ret);
