// Moves the bodies of sealed executions' chunks to objects elsewhere, some time after the seal: gathers a pack, sends
// it, reads it back, and lets the store swap bodies for places. Removes and rewrites packs of which little is wanted
// any more, and sweeps objects that the store does not know. One for each server, on a thread of its own; of several
// servers of a store one moves: the one that holds the lease. What goes wrong is tried again later; nothing waits for
// it. See docs/internals/cold.md.
#pragma once

#include "blob/objects.h"
#include "metrics/metrics.h"
#include "store/store.h"
#include "util/log.h"

struct cold_mover;

struct cold_options {
    struct store *store;
    struct object_store *objects;
    int64_t (*node)(void *arg); // in whose name the lease is claimed; on any thread. 0 or less: none yet
    void *node_arg;
    struct metrics *metrics;
    const struct logger *logger;
    uint64_t after_ms;  // from the seal on; 0: nothing is moved
    uint64_t orphan_ms; // so long an object that the store does not know stays
};
#define COLD_ORPHAN_MS ((uint64_t)24 * 3600 * 1000)

int cold_mover_start(const struct cold_options *options, struct cold_mover **ret); // ERR_NOMEM
// Ends after what is under way, which fails soon if the objects were stopped. NULL is fine. Before the store is freed.
void cold_mover_free(struct cold_mover **mover);
