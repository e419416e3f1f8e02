// What carries the messages of a bus: one const struct for each kind. Its functions are called on the bus's thread, and
// may wait for the peer, for a bounded time.
#pragma once

#include "bus/bus.h"

struct bus_link; // the kind's: what is connected

struct bus_kind {
    const char *name;
    const char *away; // what anybody may hear of it if it cannot be reached
    // Whether this can be an address. ERR_INVALID, with what is wrong. NULL: whoever chose it knows.
    int (*check)(const char *address, struct buf *ret_error);
    // Connects, and hears what is said on the channel from then on. ERR_UNAVAILABLE, with the reason for people, which
    // has no password. The options stay until the link is closed.
    int (*open)(const struct bus_options *options, struct bus_link **ret, struct buf *ret_reason);
    void (*close)(struct bus_link *link);
    int (*fd)(const struct bus_link *link); // readable when something may have come
    // An empty message, which nobody hears, shows whether the peer answers. ERR_UNAVAILABLE: the connection is of no
    // more use.
    int (*send)(struct bus_link *link, struct str message);
    // Gives what has come, without waiting for more. ERR_UNAVAILABLE as above.
    int (*receive)(struct bus_link *link, void (*hear)(void *arg, struct str message), void *arg);
};
