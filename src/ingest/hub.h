// What all loops share about runners: leases, which runner is connected where, and how far it lags. Thread-safe: one
// mutex, held only for look-ups in tables.
#pragma once

#include "ingest/lease.h"
#include "metrics/metrics.h"
#include "store/store.h"

struct hub;

// What every loop must hear.
enum hub_news_kind {
    HUB_LIVE,     // what only the live server knows of `row` has changed
    HUB_REPLACED, // another connection has taken the place of the runner with the connection `holder`, so it must go
    HUB_CANCEL,   // that runner must cancel its job; `reason` says why
};
struct hub_news {
    enum hub_news_kind kind;
    int64_t row;
    uint64_t holder;
    char reason[64];
};

struct hub_options {
    uint64_t lease_ms, lost_seal_ms;
    struct store *store;
    struct metrics *metrics;
    const struct logger *logger;
    uint64_t beat_ms;    // 0: NODE_BEAT_MS
    const char *address; // where this server listens, for people who look into the store; or NULL. Borrowed
    int64_t former;      // see struct node_options
    void (*became)(void *arg, int64_t node); // the same; on the loop of hub_start. May be NULL
    void (*outgrown)(void *arg);             // the same
    void *became_arg;                        // of both
    // Gives the news to every loop. Called on any thread. It must not call the hub.
    void (*tell)(void *arg, const struct hub_news *news);
    void *tell_arg;
};
struct hub *hub_new(const struct hub_options *options);
void hub_free(struct hub **hub);
// Makes this server a node of the store, takes over the leases that other nodes have left, and checks its leases once a
// second. On one loop only. No runner may connect before `started` was called with 0.
void hub_start(struct hub *hub, struct loop *loop, void (*started)(void *arg, int err), void *arg);
void hub_stop(struct hub *hub);          // before its loop ends
int64_t hub_node(const struct hub *hub); // the one that claims for runners; after this server was fenced it is another

uint64_t hub_lease_ms(const struct hub *hub);
uint64_t hub_new_holder(struct hub *hub); // makes a connection number, never 0
// Never returns LEASE_ELSEWHERE. `loop` is the loop of the caller.
enum lease_verdict hub_connect(struct hub *hub, struct loop *loop, const struct execution *execution, uint64_t epoch,
                               uint64_t holder);
// `node` is the one that claimed. If it was fenced since, nobody holds the execution.
void hub_granted(struct hub *hub, int64_t row, int64_t node, uint64_t epoch, uint64_t holder);
// A claim for a runner that is still to connect, which then comes with the epoch: its lease begins now.
void hub_claimed(struct hub *hub, int64_t row, int64_t node, uint64_t epoch);
void hub_refused(struct hub *hub, int64_t row);
// To be called after LEASE_RETURN with what the store has done. Returns LEASE_RESUME, LEASE_TAKEN or LEASE_FENCED.
enum lease_verdict hub_returned(struct hub *hub, int64_t row, const struct store_lease *lease, uint64_t holder);
// Returns whether it has renewed the lease: it may have gone to another connection, or server, meanwhile.
bool hub_touch(struct hub *hub, struct loop *loop, int64_t row, uint64_t holder);
// Whether a renewed lease lasts: no other server can have taken over what this one holds.
bool hub_vouches(const struct hub *hub);
void hub_lag(struct hub *hub, int64_t row, uint64_t holder, uint64_t lag_records);
uint64_t hub_lag_total(struct hub *hub); // of all connected runners that told their lag
void hub_disconnect(struct hub *hub, int64_t row, uint64_t holder);
void hub_abandon(struct hub *hub, int64_t row, uint64_t holder); // see lease_abandon
bool hub_holds(struct hub *hub, int64_t row, uint64_t holder);
void hub_sealed(struct hub *hub, int64_t row);
// The log was sealed although its runner, which was lost, has not ended it. If that runner is connected all the same,
// it must go.
void hub_fenced(struct hub *hub, int64_t row);
void hub_live(struct hub *hub, int64_t row, struct execution_live *ret);
// Tells the runner that holds it to cancel the job. A runner that connects later finds that in the store.
void hub_cancel(struct hub *hub, int64_t row, const char *reason);
// Gives the reason if a cancel was asked for while this runner was connecting; otherwise "".
void hub_cancel_asked(struct hub *hub, int64_t row, char out[64]);
