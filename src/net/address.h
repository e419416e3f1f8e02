// Addresses of peers, and lists of address ranges. Both are values.
#pragma once

#include "util/str.h"

#include <sys/socket.h>

enum net_family { NET_UNKNOWN, NET_LOCAL, NET_V4, NET_V6 }; // NET_LOCAL: the peer is on a unix socket

struct net_address {
    enum net_family family;
    uint16_t port;
    uint8_t bytes[16]; // in network order; NET_V4 uses the first 4
};

#define NET_ADDRESS_TEXT 56 // with the NUL: "[…]:65535", "127.0.0.1:80", "local:0", "unknown:0"

// Reads "192.0.2.1", "192.0.2.1:80", "2001:db8::1", "[2001:db8::1]" and "[2001:db8::1]:80". An IPv4 address within IPv6
// becomes IPv4.
bool net_address_parse(struct str text, struct net_address *ret);
void net_address_of(const struct sockaddr *address, struct net_address *ret);
void net_address_format(const struct net_address *address, char out[NET_ADDRESS_TEXT]);
bool net_address_is_loopback(const struct net_address *address); // a unix socket counts as loopback
bool net_address_same_host(const struct net_address *a, const struct net_address *b);

// --- Ranges: "10.0.0.0/8", "2001:db8::/32", "192.0.2.7", and "unix" for the peers of unix sockets. Immutable, and
// usable on any thread.
struct net_ranges;
// Returns ERR_INVALID, and the index of the wrong item in *ret_bad, if an item is not a range.
int net_ranges_new(char *const *items, size_t count, size_t *ret_bad, struct net_ranges **ret);
void net_ranges_free(struct net_ranges **ranges);
bool net_ranges_has(const struct net_ranges *ranges, const struct net_address *address); // NULL ranges contain nothing
