// What proxies say of the client that they speak for: X-Forwarded-For, -Proto, -Host, and Forwarded (RFC 7239). Values
// in, values out. Each proxy adds its word at the right end, so what is read is the right-most that a trusted proxy
// wrote: all to the left of the first address that is not trusted may be made up.
#pragma once

#include "net/address.h"

struct forwarded_headers { // several lines joined by commas; .data == NULL if absent
    struct str forwarded, x_for, x_proto, x_host;
};

struct forwarded {
    bool has_client;
    struct net_address client; // the right-most that is not trusted; the left-most if all are
    struct str proto, host;    // "https", "example.com"; .data == NULL if not said; views of the headers
};

// X-Forwarded-… are read if any of them is there, else Forwarded. ERR_MALFORMED when the two contradict each other, as
// then a client has written one of them, or when Forwarded has no end of its quotes.
int forwarded_read(const struct forwarded_headers *headers, const struct net_ranges *trusted, struct forwarded *ret);
