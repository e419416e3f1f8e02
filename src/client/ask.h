// One request to somebody else's server, with headers of the caller's. No redirect is followed. Blocks: for a thread of
// a pool.
#pragma once

#include "client/fetch.h"

struct client_ask {
    struct client_fetch fetch;
    const char *const *headers; // "Name: value"; ends with NULL
    bool post;                  // with `body`; else a GET
    struct str body;
};
struct client_said {
    int status;
    uint64_t retry_after_s; // the header Retry-After; 0: it does not say
    struct buf body;        // released by the caller, also after an error
};
// Returns 0 for every answer; ERR_INVALID if it cannot be sent so. Otherwise as client_fetch does.
int client_ask(const struct client_ask *ask, struct client_said *ret, struct buf *ret_error);
