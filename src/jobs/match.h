// Which job goes to which worker. Pure: lines of ready jobs and offers of workers go in, claims come out. No I/O, no
// clock. The dispatcher drives it, and so does the simulator.
//
// A line holds an account's ready jobs with the same demand. Only a window of it is here: its first jobs, in the
// store's order. When the window runs low, MATCH_READ asks for more. Accounts take turns. Within an account, the first
// job of all lines goes first for which some worker has room: by priority, turn, row. Of the workers with room, the one
// with the most free slots gets it.
#pragma once

#include "model/demand.h"
#include "util/list.h"
#include "util/tally.h"

#define MATCH_WINDOW    256  // jobs of a line
#define MATCH_LINES_MAX 1024 // for each account; further demands wait until some of these are done

struct match_job {
    int64_t row, turn;
    int priority;
};

struct match {
    struct map accounts;    // of struct match_account
    struct list_node turns; // the same, in the order of their turns
    struct map claims;      // of struct match_claim, by row: given to a worker, or about to be
    struct map workers;     // of struct match_worker, by id
    struct map returns;     // of struct match_return, by row and worker
    uint64_t running_max;   // for each account; 0: no limit
    bool held;              // nothing is given out
    struct tally elsewhere; // what accounts have with workers of other servers, as far as is known
    // Grows when room becomes free or a worker joins; then lines that found no worker look again.
    uint64_t capacity;
};

void match_init(struct match *match, uint64_t running_max);
void match_release(struct match *match);

// --- What has happened

// There may be ready jobs in this line that are not in its window. Returns ERR_INVALID if the demand is not valid, or
// ERR_OVERLOADED.
int match_hint(struct match *match, int64_t account, struct str demand);
// The store's answer to MATCH_READ: the line's first jobs. `whole`: there are no more.
void match_window(struct match *match, int64_t account, struct str demand, const struct match_job *jobs, size_t count,
                  bool whole);
void match_read_failed(struct match *match, int64_t account, struct str demand);
// `account` 0: it takes jobs of all. The offer's strings are copied. A worker of that id that is there already is
// replaced; what it holds stays counted.
void match_join(struct match *match, struct str worker_id, int64_t account, const struct offer *offer);
void match_drain(struct match *match, struct str worker_id);  // it takes no more; what it holds stays counted
void match_resume(struct match *match, struct str worker_id); // it takes jobs again
void match_leave(struct match *match, struct str worker_id);
void match_hold(struct match *match, bool on); // all workers are as if they drained
// It has this job already, from before.
void match_held(struct match *match, struct str worker_id, int64_t account, int64_t row, const struct demand *demand);
// The job is off its worker: it ended, was given back, or the claim did not succeed.
void match_over(struct match *match, int64_t row);

// The worker has given the job back, and does not get it again for a while: a second, then twice as long each time, up
// to MATCH_REST_MAX_MS. Other workers may have it. Times are those of a monotonic clock.
#define MATCH_REST_MS     1000
#define MATCH_REST_MAX_MS 60000
#define MATCH_RETURNS_MAX 4096 // that are remembered
void match_returned(struct match *match, struct str worker_id, int64_t row, struct str reason, uint64_t now_ms);
void match_wake(struct match *match, uint64_t now_ms); // to be called each second or so: some may have rested enough

// What accounts have with workers of other servers, instead of what was known of that; `elsewhere` is empty then. It
// counts towards running_max.
void match_elsewhere(struct match *match, struct tally *elsewhere);

// --- What is to be done
enum match_action_kind {
    MATCH_WAIT,  // nothing, before the next event
    MATCH_READ,  // ask the store for the line's first MATCH_WINDOW jobs, then match_window
    MATCH_CLAIM, // claim the row for the worker; match_over if it does not succeed
};
struct match_action {
    enum match_action_kind kind;
    int64_t account, row;
    struct str demand, worker_id; // views, until the next call
};
// Ask again until MATCH_WAIT. What it gives out is taken as under way.
enum match_action_kind match_next(struct match *match, struct match_action *ret);

// --- Looking
// Adds the workers here that take the account's jobs.
void match_why(const struct match *match, int64_t account, const struct demand *demand, struct demand_why *why);
// Whether a worker that gave this job back does not get it yet.
struct match_rest {
    struct str worker_id, reason; // of the one that gets it again first; until the next call that changes something
    uint64_t until_ms;
};
bool match_rests(const struct match *match, int64_t row, struct match_rest *ret);
bool match_has(const struct match *match, int64_t row);              // it was given out here, or is about to be
bool match_account_full(const struct match *match, int64_t account); // it has running_max jobs with workers
// Adds the accounts of which other servers should know, with how many jobs they have with workers here.
void match_running(const struct match *match, struct tally *tally);
size_t match_worker_count(const struct match *match);
// How many jobs it has, or is about to be given; 0 without such a worker.
uint64_t match_used(const struct match *match, struct str worker_id);
// What the worker offers, and how much of it is free; NULL without such a worker. Until the next call that changes it.
const struct offer *match_offer(const struct match *match, struct str worker_id);
