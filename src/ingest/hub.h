// What all loops share about runners and followers: leases, which runner is connected where and how far it lags, and
// the number of followers per account. Thread-safe: one mutex, held only for look-ups in tables. It tells every loop
// about changes.
#pragma once

#include "ingest/lease.h"
#include "metrics/metrics.h"
#include "store/store.h"

struct hub;

// Called on the loop's own thread.
struct hub_listener {
    void (*live_changed)(void *owner, int64_t row);
    // Another connection has taken the place of the runner with this connection number, so it must go.
    void (*runner_replaced)(void *owner, uint64_t holder);
    // The runner with this connection number must cancel its job.
    void (*runner_cancel)(void *owner, uint64_t holder, const char *reason);
};

struct hub_options {
    uint64_t lease_ms, lost_seal_ms;
    struct store *store;
    struct metrics *metrics;
    const struct logger *logger;
};
struct hub *hub_new(const struct hub_options *options);
void hub_free(struct hub **hub);
// To be called before the loops run.
void hub_attach(struct hub *hub, struct loop *loop, const struct hub_listener *listener, void *owner);
// Reads the unsealed executions from the store, begins their leases again, and checks leases once a second. On one loop
// only.
void hub_start(struct hub *hub, struct loop *loop);
void hub_stop(struct hub *hub); // to be called before its loop ends

uint64_t hub_lease_ms(const struct hub *hub);
uint64_t hub_new_holder(struct hub *hub); // makes a connection number, never 0
enum lease_verdict hub_connect(struct hub *hub, const struct execution *execution, uint64_t epoch, uint64_t holder);
void hub_granted(struct hub *hub, int64_t row, uint64_t epoch, uint64_t holder);
void hub_refused(struct hub *hub, int64_t row);
void hub_touch(struct hub *hub, struct loop *loop, int64_t row, uint64_t holder);
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

// False: the account has as many followers as it may.
bool hub_follower_add(struct hub *hub, int64_t account, uint64_t max);
void hub_follower_remove(struct hub *hub, int64_t account);
