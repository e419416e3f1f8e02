// A store that is away when the server starts, as a store: it refuses everything (ERR_UNAVAILABLE) until it could be
// opened and was taken in; from then on it is that store.
#pragma once

#include "store/store.h"
#include "util/log.h"

struct awaited_options {
    const char *name; // borrowed
    const struct logger *logger;
    uint64_t again_ms; // between two tries
    // Both are called on a thread of its own, one after the other, until both have succeeded.
    int (*open)(void *arg, struct buf *ret_error, struct store **ret);
    int (*take_in)(void *arg, struct store *store, struct buf *ret_error); // before anything else is asked of it
    void *open_arg, *take_in_arg;
};

// ERR_NOMEM.
int awaited_new(const struct awaited_options *options, struct store **ret);
