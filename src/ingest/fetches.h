// Logs that another system keeps, fetched when somebody reads them first. One for each server, on the main loop;
// waiters come from any thread. What is fetched goes to ingest/late.h: each event is stored once, so that a fetch that
// was cut off, by a crash too, begins anew without harm.
//
// - One fetch of a log at a time, FETCHES_AT_ONCE altogether; FETCHES_MAX are under way or wait for a turn. The answer
//   beyond that is ERR_OVERLOADED.
// - A request blocks a thread of a pool of its own. What failed for now is asked again, with growing pauses and jitter,
//   FETCH_TRIES times at most; all of a fetch takes no longer than total_ms.
// - Pages are gathered up to FETCH_HOLD bytes, and stored as one delivery, in the order of their times. No more is
//   asked for meanwhile. So FETCHES_AT_ONCE times that, and a page for each, is all that is held; the budget counts it.
// - It is marked as fetched when all is durable. If there was nothing, and the execution goes on, it is not: what has
//   not begun is asked for again at another reading. That, and a failure, are remembered for rest_ms.
#pragma once

#include "ingest/late.h"
#include "util/budget.h"
#include "util/log.h"

#define FETCHES_MAX     1000
#define FETCHES_AT_ONCE 4
#define FETCH_TRIES     8 // of one page, one behind the other
#define FETCH_HOLD      ((size_t)4 * 1024 * 1024)
#define FETCH_REASON    512

struct fetch_page { // a request for one
    int64_t account;
    struct str execution_id;
    struct buf *token;          // of the page, empty for the first; replaced by that of the next one, empty: none
    struct late_delivery *into; // for late_delivery_add
    uint64_t timeout_ms;        // for all of it
    const atomic_bool *abort;   // then it ends within a second
    struct buf *ret_error;      // why there is none, for people
};

// The port to what keeps logs. On a thread of a pool.
struct fetch_port {
    // Returns 0; ERR_UNAVAILABLE if it may be asked again for the same page; any other error if not. What was added
    // before an error may be added again: every event has an id.
    int (*page)(void *arg, const struct fetch_page *page);
    bool (*serves)(void *arg, int64_t account); // whether it keeps logs of that account; any thread
    void *arg;
};

struct fetches;

struct fetches_options {
    struct loop *loop; // the main one
    struct store *store;
    struct late *late;
    struct metrics *metrics;
    struct budget *budget;
    const struct logger *logger;
    struct fetch_port port;
    uint64_t total_ms, wait_ms, rest_ms; // wait_ms: how long a reader waits
};

int fetches_new(const struct fetches_options *options, struct fetches **ret);
void fetches_stop(struct fetches *fetches);  // on its loop. Waiters get ERR_SHUTTING_DOWN; requests end within a second
void fetches_join(struct fetches *fetches);  // after that: waits until no request is under way; what is done has mail
void fetches_free(struct fetches **fetches); // after both, and after the loop has ended
bool fetches_serve(const struct fetches *fetches, int64_t account); // any thread

// One who wants the log of an execution to be here.
struct fetch_wait {
    // In; the identifier is copied.
    int64_t account, row;
    char execution_id[ID_EXECUTION_MAX + 1];
    bool ended; // the execution has ended: if there is nothing, nothing will come
    bool live;  // a follower: something of it is enough, or that the fetch goes on
    struct loop *reply_to;
    // Called once, on the thread of `reply_to`. 0: it is here, as far as there is something. ERR_UNAVAILABLE, with why
    // in ret_reason: it goes on, or it has failed; ERR_OVERLOADED; ERR_SHUTTING_DOWN.
    void (*done)(struct fetch_wait *wait);
    int err;
    char ret_reason[FETCH_REASON];
    // Private.
    struct fetches *fetches;
    struct fetch_wait *next;
    uint64_t until_ms;
    struct mail mail;
};
void fetches_want(struct fetches *fetches, struct fetch_wait *wait); // any thread
// Nobody waits, but the log is about to be closed: whatever there is, it is marked as fetched then. On the loop.
void fetches_close(struct fetches *fetches, int64_t account, int64_t row, const char *execution_id);
