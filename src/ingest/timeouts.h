// Ends waits that nobody has answered in time: looks once a second for those whose time has passed. One for each
// server, on the main loop. Of several servers of a store one ends each; the commit decides. See
// docs/internals/workflows.md.
#pragma once

#include "ingest/hub.h"

struct timeouts;

struct timeouts_options {
    struct loop *loop;
    struct store *store;
    struct hub *hub; // hears which runner must end
    const struct logger *logger;
};

struct timeouts *timeouts_new(const struct timeouts_options *options);
void timeouts_free(struct timeouts **timeouts); // after timeouts_stop, and after the loop has ended
void timeouts_start(struct timeouts *timeouts);
void timeouts_stop(struct timeouts *timeouts);
