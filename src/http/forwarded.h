// Reads what proxies tell about the client that they speak for: X-Forwarded-For, -Proto, -Host, and Forwarded (RFC
// 7239). Values in, values out. Each proxy adds its word at the right end. So the right-most words that trusted proxies
// wrote are used. Everything to the left of the first address that is not trusted may be invented.
#pragma once

#include "net/address.h"

struct forwarded_headers { // a header that comes several times is joined by commas; .data == NULL if absent
    struct str forwarded, x_for, x_proto, x_host;
};

struct forwarded {
    bool has_client;
    struct net_address client; // the right-most address that is not trusted; the left-most if all are trusted
    struct str proto, host;    // "https", "example.com"; .data == NULL if not told; views of the headers
};

// Reads X-Forwarded-… if any of them is there, otherwise Forwarded. Returns ERR_MALFORMED when the two contradict each
// other, because then a client has written one of them, or when a quote in Forwarded is not closed.
int forwarded_read(const struct forwarded_headers *headers, const struct net_ranges *trusted, struct forwarded *ret);
