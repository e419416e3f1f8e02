// What the files of the dispatcher share. Everything here runs on its loop.
#pragma once

#include "jobs/dispatch.h"
#include "jobs/drains.h"
#include "jobs/given.h"

#include <pthread.h>

// What a worker gave back before the store had said that it has it.
struct early_return {
    char *execution_id, *reason;
    uint64_t epoch;
};

// The connection of a worker. If the same worker has two, the newer one counts.
struct dispatch_worker {
    struct list_node node;
    struct worker_session *session;
    struct str *words; // of its offer
    uint64_t check;    // the round of looking at other servers' workers that tells whether it may stay
    bool checked;      // it may; only then the store is asked what it has
    bool known;        // the store has said what it has; only then it gets more
    bool asks;         // the store is being asked
    bool drains;       // it said so itself, as it is about to end
    bool drained;      // somebody has asked for it
    struct early_return *early;
    size_t early_count;
};

struct dispatch {
    struct dispatch_options options;
    // Protects match, workers and drains. Only the loop changes which there are. Any thread may look, and drain.
    pthread_mutex_t mutex;
    struct match match;       // its workers are called by their keys
    struct list_node workers; // of struct dispatch_worker, the newest first
    struct drains drains;
    struct gifts gifts;
    struct store_job_lines lines;
    struct buf lines_after; // where the last page ended
    struct store_job_settle settle;
    struct timer *tick, *due;
    unsigned ticks;
    bool lines_busy, lines_again;   // lines_again: ask once more after the query that is under way
    bool settle_busy, settle_again; // the same for settling
    bool settle_failed;             // the next tick tries again
    bool settle_whole;              // the next one is
    bool stopping;
    // What the other servers of the store are told (roster.c).
    struct store_roster_tell roster;
    struct buf roster_text;
    bool roster_changed, roster_busy;
    // What they tell (elsewhere.c).
    struct store_rosters others;
    uint64_t others_round; // of the look that is under way, or was the last
    unsigned others_ticks; // at so many ticks more it is looked
    bool others_busy, others_again;
};

// --- claim.c: from a line to a worker, and back
// Lets what is waiting go where there is room: claims jobs and reads lines until nothing is left to do.
void dispatch_pump(struct dispatch *dispatch);
// Asks the store which lines there are.
void dispatch_look(struct dispatch *dispatch);
// Has the job given out again. May be called with the mutex and without.
void dispatch_return_job(struct dispatch *dispatch, int64_t row, uint64_t epoch);
// The job is no worker's any more. Call with the mutex.
void dispatch_over(struct dispatch *dispatch, int64_t row);
// Returns the newest connection of the worker, or NULL. `key`: see worker_session_key. Call with the mutex.
struct dispatch_worker *dispatch_worker_of(const struct dispatch *dispatch, struct str key);

// Has the loop see what can be given out now. Any thread.
void dispatch_nudge(struct dispatch *dispatch);

// --- connected.c: who is connected, and what they have. Call with the mutex.
void dispatch_worker_joined(struct dispatch *dispatch, struct worker_session *session);
void dispatch_worker_left(struct dispatch *dispatch, const struct worker_session *session);
void dispatch_worker_drains(struct dispatch *dispatch, const struct worker_session *session);
// The worker has the job, perhaps from an earlier connection.
void dispatch_worker_opened(struct dispatch *dispatch, const struct worker_session *session, int64_t row);
// The job has ended. The change that says so may have come before the worker opened its stream.
void dispatch_worker_completed(struct dispatch *dispatch, int64_t row, uint64_t epoch);
void dispatch_worker_returned(struct dispatch *dispatch, const struct worker_session *session, const char *execution_id,
                              uint64_t epoch, const char *reason);
// Asks again about those whom the store could not tell of.
void dispatch_workers_look(struct dispatch *dispatch);
// Calls `each` for all that are connected, once for each worker.
void dispatch_workers_each(struct dispatch *dispatch, void (*each)(void *arg, const struct dispatch_seen *seen),
                           void *arg);
void dispatch_worker_free(struct dispatch_worker *worker);

// Whether the worker is on another machine than the one of this instance, as far as both have told theirs.
bool dispatch_is_other(struct str instance, const struct worker_session *session);
void dispatch_worker_refuse(struct dispatch *dispatch, struct worker_session *session);

// --- elsewhere.c. Call with the mutex.
void dispatch_others_joined(struct dispatch *dispatch); // somebody has
void dispatch_others_look(struct dispatch *dispatch);
void dispatch_others_tick(struct dispatch *dispatch);

// --- roster.c. Call with the mutex.
void dispatch_roster_tick(struct dispatch *dispatch);
