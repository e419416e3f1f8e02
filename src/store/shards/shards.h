// Several stores as one: what belongs to no execution lies in the first one, its home; an execution lies, with all that
// is its own, in one of them, and stays there. See docs/internals/shards.md.
#pragma once

#include "store/store.h"
#include "util/log.h"

struct shards_member {
    // Open. NULL, but not the home: it is away, and `open` is called on a thread until it has succeeded.
    struct store *store;
    int (*open)(void *arg, struct buf *ret_error, struct store **ret);
    void *open_arg;   // taken over, and freed by free(); outlives the thread
    const char *name; // for people, without a password
    char *why;        // the same, of one that is away: NULL, or why it could not be opened. Taken over
    bool closed;      // no execution is made there any more, or not yet; in the home still jobs
    bool empty;       // it may be empty though one was there before, which is lost
};

struct shards_options {
    const struct shards_member *members; // the home first
    size_t count;                        // at most STORE_SHARDS_MAX
    const struct logger *logger;
    uint64_t again_ms; // between two tries to open one that is away; 0: a second
};

// Takes over the stores, also if it fails. Each learns its place at the first time. Errors, with a text: ERR_CONFLICT,
// if the places that they know are others, one that comes to them has something of its own, or one that came before
// knows nothing of it; ERR_UNAVAILABLE, if one that has not come before is away; those of the stores.
int shards_open(const struct shards_options *options, struct buf *ret_error, struct store **ret);

// For a store that is opened alone. ERR_CONFLICT, with a text, if it is one of several.
int shards_check_alone(struct store *store, const char *name, struct buf *ret_error);
