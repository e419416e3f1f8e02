// Drives an uplink: connects, sends what the spool has, listens. One for each run that is being delivered. On one
// loop's thread; what would block it (connecting, reading old chunks from disk) runs in the pool.
#pragma once

#include "client/client.h"
#include "loop/pool.h"
#include "runner/run_file.h"
#include "runner/spool.h"
#include "runner/uplink.h"

struct delivery;

// On the loop's thread. None may free the delivery.
struct delivery_events {
    void (*acked)(void *arg);                              // the server has more: spool_acked was called
    void (*changed)(void *arg);                            // epoch, incarnation or registered of the run file
    void (*cancel)(void *arg, uint64_t grace_ms);          // the server wants the job to end
    void (*delivered)(void *arg);                          // nothing is left to send for now; may come many times
    void (*trouble)(void *arg, int err, const char *text); // an attempt failed; it is made again
    // 0: sealed, with all that the spool has; else it will never work, and `text` says why where more is known than the
    // error. Once.
    void (*ended)(void *arg, int err, const char *text);
};

struct delivery_options {
    struct loop *loop;
    struct pool *pool;
    const struct client_options *server; // lives until the pool is freed
    struct run_file *run;                // kept up to date by the delivery; read for `complete`
    const char *producer;                // NULL: the run file's
    struct spool *spool;                 // lives until the pool is freed
    const uint64_t *digest;              // for `complete`; NULL: the spool's
    bool tail_lost;                      // the machine went down before all of the spool was on its disk
    const struct delivery_events *events;
    void *arg;
};
// Begins to connect at once.
struct delivery *delivery_new(const struct delivery_options *options);
void delivery_free(struct delivery **delivery);
void delivery_spooled(struct delivery *delivery); // the spool has more
void delivery_complete(
    struct delivery *delivery); // the run file says how the job has ended: send the rest, then `complete`
bool delivery_reached(const struct delivery *delivery); // a server has answered at some time, whatever it said
bool delivery_greeted(const struct delivery *delivery); // the server has said `ready` on the present or last connection
uint64_t delivery_lag(const struct delivery *delivery);
