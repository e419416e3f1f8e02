// Takes in events that come late from elsewhere (model/late.h): gathers those of a log that come within the reorder
// window, sorts them, leaves out what is known, and appends the rest. One for each server, on the main loop; deliveries
// come from any thread. Of several servers of a store each gathers by itself; the commit decides what is known.
//
// At most one append of a log is under way here. What comes meanwhile waits for it: senders wait for their answers, and
// what they hold is counted in the budget of their accounts.
#pragma once

#include "ingest/submission.h"
#include "metrics/metrics.h"
#include "util/arena.h"
#include "util/map.h"

struct late;

struct late_options {
    struct loop *loop; // the main one
    struct store *store;
    struct metrics *metrics;
};

struct late *late_new(const struct late_options *options);
void late_free(struct late **late); // after late_stop, and after the loop has ended
void late_stop(struct late *late);  // on its loop. What waits is answered with ERR_SHUTTING_DOWN
// The window in milliseconds (0: what comes is appended at once), and the bytes of a message, beyond which one becomes
// fragments. Any thread.
void late_set(struct late *late, uint64_t window_ms, size_t message_max);
size_t late_message_max(const struct late *late);

// --- A delivery: what a source has handed over of one log, in its order.
struct late_delivery {
    int64_t account, row;
    struct loop *reply_to;
    bool whole; // nothing else is under way that it should be sorted with: it ends the window at once
    // Called once, on the thread of `reply_to`. All of it is durable then, or `err` says why not: ERR_SEALED and
    // ERR_EXPIRED for good, others for now; a repetition is taken once.
    void (*done)(struct late_delivery *delivery);
    int err;
    uint64_t ret_new; // events that were not known; set if err is 0
    // Filled by late_delivery_add.
    struct late_event *events;
    size_t count, capacity, bytes, message_max;
    struct arena memory;
    struct map contents; // of those without an id; late_delivery_init
    // Private to late.
    struct late *late;
    struct late_delivery *next;
    struct mail mail;
};
void late_delivery_init(struct late_delivery *delivery, size_t message_max); // late_message_max
void late_delivery_release(struct late_delivery *delivery);                  // not between late_deliver and `done`
// Copies what it gets. ERR_TOO_LARGE: it is larger than a chunk may be.
int late_delivery_add(struct late_delivery *delivery, struct str id, const struct record *record);
void late_deliver(struct late *late, struct late_delivery *delivery); // any thread; there must be an event
