// Seals logs that nobody ends when nothing has come for long enough (model/quiet.h): looks once a second through the
// open ones, a page at a time. One for each server, on the main loop. Of several servers of a store one seals each; the
// commit decides. What it has seen begins anew with each start, as leases do.
#pragma once

#include "metrics/metrics.h"
#include "store/store.h"
#include "util/log.h"

struct quiet;

struct quiet_options {
    struct loop *loop;
    struct store *store;
    struct metrics *metrics;
    const struct logger *logger;
    // What is still elsewhere is fetched before it is sealed; NULL: nothing can be fetched.
    void (*fetch)(void *arg, const struct quiet_found *found);
    void *fetch_arg;
};

struct quiet *quiet_new(const struct quiet_options *options);
void quiet_free(struct quiet **quiet); // after quiet_stop, and after the loop has ended
void quiet_start(struct quiet *quiet);
void quiet_stop(struct quiet *quiet);
