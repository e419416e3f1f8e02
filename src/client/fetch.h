// Asks somebody else's server for one small document, such as a set of keys, without a credential; signed.h and ask.h
// ask with one. No redirect is followed. Blocks: for a thread of a pool.
#pragma once

#include "util/buf.h"
#include "util/error.h"

#include <stdatomic.h>

struct client_fetch {
    const char *url;
    const char *ca_file; // as in struct client_options; "" is none
    size_t body_max;
    uint64_t timeout_ms;      // for all of it
    uint64_t stall_ms;        // so long it may move nothing; 0: as long as it likes
    const atomic_bool *abort; // NULL, or as in struct client_options
    bool plain;               // http to other machines, too
};
// Whether such a URL may be fetched: https, or http on this machine's loopback; without a user.
bool client_fetch_allowed(const char *url);
bool client_fetch_allowed_plain(const char *url); // the same, and http to other machines
// Returns 0 for a 200, with its body. Otherwise an error, and in *ret_error why, for people.
int client_fetch(const struct client_fetch *fetch, struct buf *ret, struct buf *ret_error);
