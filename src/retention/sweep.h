// Purges what retention lets go (model/retention.h): looks through the store in passes, a slice at a time and only
// while few operations wait there, and has each slice's executions purged before it goes on. One for each server, on
// the main loop. Of several servers of a store one purges: the one that holds the lease. See
// docs/internals/retention.md.
#pragma once

#include "metrics/metrics.h"
#include "store/store.h"
#include "util/log.h"

struct sweep;

struct sweep_options {
    struct loop *loop; // its own
    struct store *store;
    int64_t (*node)(void *arg); // in whose name the lease is claimed
    void *node_arg;
    struct metrics *metrics;
    const struct logger *logger;
};

struct sweep *sweep_new(const struct sweep_options *options);
void sweep_free(struct sweep **sweep); // after sweep_stop, and after the loop has ended
// The server's rules, from the next slice on. Before sweep_start, and again when they change.
void sweep_set(struct sweep *sweep, const struct retention *rules);
void sweep_start(struct sweep *sweep);
void sweep_stop(struct sweep *sweep);
