// Copies logs to Loki: follows what is durable, by a cursor of its own for each execution, which is kept in the store.
// Goes through the logs in passes, the oldest lines first, and pushes one body after the other; nothing of an outage
// reaches who writes or reads logs. One for each server, on the main loop; of several servers of a store one copies:
// the one that holds the lease. See docs/internals/mirror.md.
#pragma once

#include "metrics/metrics.h"
#include "mirror/query.h"
#include "store/store.h"
#include "util/log.h"

struct mirror;

struct mirror_options {
    struct loop *loop; // its own
    struct store *store;
    int64_t (*node)(void *arg); // in whose name the lease is claimed
    void *node_arg;
    struct metrics *metrics;
    const struct logger *logger;
    struct loki_access access; // its texts must outlive the mirror; `abort` is the mirror's own
    enum loki_labels labels;
    size_t line_max;
    uint64_t window_ms; // no line is pushed so much later than others of its stream that are newer
    uint64_t pause_ms;  // between passes
};

int mirror_new(const struct mirror_options *options, struct mirror **ret);
void mirror_start(struct mirror *mirror);
void mirror_stop(struct mirror *mirror); // NULL is fine. Ends requests that are under way
void mirror_join(struct mirror *mirror); // after it; before the loops have delivered the last mail
void mirror_free(struct mirror **mirror);

// Asks Loki. Any thread. `done` runs on the thread of `reply_to`. It is called in any case, unless this returns
// ERR_UNAVAILABLE: too many ask.
int mirror_ask(struct mirror *mirror, struct mirror_query *query);
