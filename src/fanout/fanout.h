// The log cache and its followers, one a loop. What the store's writer commits comes in by fanout_publish; what
// followers ask for and is not in memory is read from the store, once for all who wait for it. See
// docs/internals/fanout.md.
#pragma once

#include "fanout/encode.h"
#include "fanout/follower.h"
#include "loop/pool.h"
#include "metrics/metrics.h"
#include "model/filter.h"
#include "model/position.h"
#include "store/store.h"
#include "util/budget.h"

struct fanout;
struct subscriber;

struct fanout_options {
    struct loop *loop;
    struct store *store;
    struct pool *pool; // for filters that look at text
    struct metrics *metrics;
    struct budget *budget; // NULL: no bound but cache_bytes
    unsigned shard;
    size_t cache_bytes; // of this loop; what sockets still pin counts
    uint64_t regex_steps;
    // What only the live server knows of an execution.
    void (*live)(void *arg, int64_t row, struct execution_live *ret);
    void *live_arg;
};

struct fanout *fanout_new(const struct fanout_options *options);
void fanout_free(struct fanout **fanout); // after the last subscriber has gone
void fanout_set_cache_bytes(struct fanout *fanout, size_t bytes);
void fanout_set_regex_steps(struct fanout *fanout, uint64_t steps); // from the next chunk on that is looked at
void fanout_live_changed(struct fanout *fanout, int64_t row);

// The store's watcher: hands the changes of one commit to all loops, as one message each. Any thread. What a loop has
// not yet taken in is bounded; above the bound it gets the numbers alone and reads the records from the store.
void fanout_publish(struct fanout *const *fanouts, size_t fanout_count, const struct store_change *changes,
                    size_t change_count);

// Where a subscriber's bytes go: a WebSocket, an SSE stream, a plain HTTP stream.
struct subscriber_sink {
    void (*send)(void *owner, struct payload *payload, size_t offset, size_t len); // takes its own reference
    size_t (*pending)(void *owner);
    void (*unshare)(void *owner); // copies what is pending and lets the payloads go
    // The reader is to be told; COMPLETE, END and PURGED end it: the owner calls subscriber_free, within the call or
    // later.
    void (*tell)(void *owner, enum follower_step step, const struct follower *follower,
                 const struct execution *execution, const struct execution_live *live);
    // It cannot go on (ERR_UNAVAILABLE: the store; ERR_INVALID: the filter's steps are spent). Ends it.
    void (*failed)(void *owner, int err);
};

struct subscription {
    const struct execution *execution; // copied
    struct position position;
    bool follow;   // else it ends at the log's present end
    bool restored; // its position is from another incarnation
    bool wants_state, wants_position;
    enum follow_format format;
    struct filter *filter; // own reference taken; NULL: all
    const struct subscriber_sink *sink;
    void *owner;
};
// Sends begin in a later turn of the loop.
struct subscriber *fanout_subscribe(struct fanout *fanout, const struct subscription *subscription);
void subscriber_drained(struct subscriber *subscriber); // the sink has room again
// Ends it with FOLLOWER_END once it has all that is durable now.
void subscriber_finish(struct subscriber *subscriber);
void subscriber_free(struct subscriber **subscriber);
