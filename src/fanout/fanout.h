// The log cache and its followers. Each loop has one. fanout_publish brings what the store's writer commits. What
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
    struct budget *budget; // NULL: cache_bytes is the only limit
    unsigned shard;
    size_t cache_bytes; // of this loop; bytes that sockets still hold count, too
    uint64_t regex_steps;
    // Tells what only the live server knows about an execution.
    void (*live)(void *arg, int64_t row, struct execution_live *ret);
    void *live_arg;
};

struct fanout *fanout_new(const struct fanout_options *options);
void fanout_free(struct fanout **fanout); // only after the last subscriber is gone
void fanout_set_cache_bytes(struct fanout *fanout, size_t bytes);
void fanout_set_regex_steps(struct fanout *fanout, uint64_t steps); // counts from the next chunk that is looked at
void fanout_live_changed(struct fanout *fanout, int64_t row);

// Called by the store's watcher: gives the changes of one commit to all loops, as one message each. Any thread. The
// chunks that a loop has not taken yet are bounded. Above the bound it gets only the numbers, and reads the records
// from the store.
void fanout_publish(struct fanout *const *fanouts, size_t fanout_count, const struct store_change *changes,
                    size_t change_count);

// Where the bytes of a subscriber go: a WebSocket, an SSE stream, a plain HTTP stream.
struct subscriber_sink {
    void (*send)(void *owner, struct payload *payload, size_t offset, size_t len); // takes its own reference
    size_t (*pending)(void *owner);
    void (*unshare)(void *owner); // copies what is not sent yet, and releases the payloads
    // The reader must be told something. COMPLETE, END and PURGED end the subscriber: the owner must call
    // subscriber_free, within the call or later.
    void (*tell)(void *owner, enum follower_step step, const struct follower *follower,
                 const struct execution *execution, const struct execution_live *live);
    // It cannot go on: ERR_INVALID (the filter has used its steps), or an error of the store; ERR_COLD, and
    // ERR_UNAVAILABLE of a store that others share, only if it does not follow. Ends the subscriber.
    void (*failed)(void *owner, int err);
};

struct subscription {
    const struct execution *execution; // copied
    struct position position;
    bool follow;   // false: it ends at the present end of the log
    bool restored; // its position is from another incarnation
    bool wants_state, wants_position;
    enum follow_format format;
    enum metric_transport transport; // as it is counted
    struct filter *filter;           // takes its own reference; NULL: all records
    const struct subscriber_sink *sink;
    void *owner;
};
// Sending begins in a later turn of the loop.
struct subscriber *fanout_subscribe(struct fanout *fanout, const struct subscription *subscription);
void subscriber_drained(struct subscriber *subscriber); // tells that the sink has room again
// Ends it with FOLLOWER_END when it has everything that is durable now.
void subscriber_finish(struct subscriber *subscriber);
// The first record that it has not been given yet.
uint64_t subscriber_cursor(const struct subscriber *subscriber);
// For one that has ended with FOLLOWER_END, within that call: follows from there on, in this format.
void subscriber_go_on(struct subscriber *subscriber, enum follow_format format);
void subscriber_free(struct subscriber **subscriber);
