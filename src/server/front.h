// What proxies in front of the server change: whose headers are believed, and the path beneath which it is served.
#pragma once

#include "net/address.h"
#include "server/config.h"

struct front {
    struct net_ranges *trusted;
    char *base_path; // "", or "/…" without a slash at its end
};

// ERR_INVALID with a text in *ret_error. `ret` is to be released in any case.
int front_take(const struct config *config, struct front *ret, struct buf *ret_error);
void front_release(struct front *front);
