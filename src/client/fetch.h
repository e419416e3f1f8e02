// Asks somebody else's server: for one small document, such as a set of keys, without a credential; or for an answer to
// a signed request. No redirect is followed. Blocks: for a thread of a pool.
#pragma once

#include "util/buf.h"
#include "util/error.h"

#include <stdatomic.h>

struct client_fetch {
    const char *url;
    const char *ca_file; // as in struct client_options; "" is none
    size_t body_max;
    uint64_t timeout_ms;      // for all of it
    const atomic_bool *abort; // NULL, or as in struct client_options
};
// Whether such a URL may be fetched: https, or http on this machine's loopback; without a user.
bool client_fetch_allowed(const char *url);
// Returns 0 for a 200, with its body. Otherwise an error, and in *ret_error why, for people.
int client_fetch(const struct client_fetch *fetch, struct buf *ret, struct buf *ret_error);

// A POST that is signed as AWS asks for it (Signature Version 4), with all of its headers.
struct client_signed {
    struct client_fetch fetch;
    const char *const *headers; // "Name: value"; ends with NULL
    struct str body;
    const char *region, *service;
    const char *key_id, *secret, *session_token; // the token of temporary credentials; "": they are none
};
// Returns 0 for every answer, with its status and its body; ERR_INVALID if it cannot be sent so. Otherwise as
// client_fetch does.
int client_post_signed(const struct client_signed *request, int *ret_status, struct buf *ret, struct buf *ret_error);
