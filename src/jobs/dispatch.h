// Gives ready jobs to workers. It drives jobs/match.h with what the store tells, and with the workers that are
// connected to this server. It also has ends settled. Each server has one, on its main loop. It holds no truth of its
// own; see docs/internals/jobs.md.
#pragma once

#include "ingest/hub.h"
#include "jobs/match.h"
#include "jobs/secrets.h"
#include "jobs/worker.h"
#include "util/log.h"

struct dispatch;

#define DISPATCH_TOKEN_MAX 63

struct dispatch_options {
    struct loop *loop; // the loop that it lives on
    struct store *store;
    struct hub *hub;
    struct metrics *metrics;
    const struct logger *logger;
    struct secret_opener secrets;
    uint64_t running_max; // how many jobs of an account workers may have at once; 0: no limit
    // Writes the run token of a claim. NULL: there is none.
    void (*token)(void *arg, const struct execution *execution, char out[DISPATCH_TOKEN_MAX + 1]);
    void *token_arg;
};

struct dispatch *dispatch_new(const struct dispatch_options *options);
void dispatch_free(struct dispatch **dispatch); // only after dispatch_stop, and after the loop has ended
// Called on its loop.
void dispatch_start(struct dispatch *dispatch);
void dispatch_stop(struct dispatch *dispatch); // gives no more jobs
// For store_watch; called on the store's thread.
void dispatch_watch(struct dispatch *dispatch, const struct store_change *changes, size_t count);
// What workers' sockets tell. The argument of its calls is the dispatcher.
extern const struct worker_listener dispatch_listener;

// --- Looking; for any thread
// Why a job waits, as far as workers that are connected here are the reason.
struct dispatch_why {
    bool account_full; // with those elsewhere
    bool rests;        // a worker gave it back, and gets it again in rests_ms: see match_returned
    char worker_id[WORKER_ID_MAX + 1], reason[256];
    uint64_t rests_ms;
};
// Adds these workers to `why`.
void dispatch_why(struct dispatch *dispatch, int64_t account, int64_t row, const struct demand *demand,
                  struct demand_why *why, struct dispatch_why *ret);
// How many jobs accounts have with workers: adds those here of which other servers should know, and takes what others
// have counted, instead of what was known of that; `elsewhere` is empty then.
void dispatch_running(struct dispatch *dispatch, struct tally *tally);
void dispatch_running_elsewhere(struct dispatch *dispatch, struct tally *elsewhere);
// A worker that is connected here, with what is free of its offer. Its strings are those of the session.
struct dispatch_seen {
    const struct worker_session *session;
    const struct offer *offer;
    uint64_t jobs; // that it has
    bool drains;   // it takes no more
};
// Calls `each` for those that take the account's jobs. `each` must be quick: no job is given out meanwhile.
void dispatch_workers(struct dispatch *dispatch, int64_t account,
                      void (*each)(void *arg, const struct dispatch_seen *seen), void *arg);
bool dispatch_has_worker(struct dispatch *dispatch, int64_t account, struct str worker_id); // connected here
// Has the account's worker of that id take no more jobs, or some again; those that it has go on. It holds until it is
// asked otherwise, whatever becomes of the worker's connection, and of this server as long as the worker lives.
// ERR_NOT_FOUND: no such worker is connected here. ERR_CONFLICT: it ends, and cannot take jobs again.
int dispatch_drain(struct dispatch *dispatch, int64_t account, struct str worker_id, bool on);
// Gives out no more jobs, or some again. What workers have goes on.
void dispatch_hold(struct dispatch *dispatch, bool on);
