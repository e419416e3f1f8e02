// Drives an uplink: it connects, sends what the spool has, and reads what the server says. There is one for each run
// that is being delivered. It lives on the thread of one loop. Blocking work (connecting, reading old chunks from disk)
// runs in the pool.
#pragma once

#include "client/client.h"
#include "loop/pool.h"
#include "runner/run_file.h"
#include "runner/spool.h"
#include "runner/uplink.h"

struct delivery;
struct delivery_link;

// Called on the loop's thread. None of them may free the delivery.
struct delivery_events {
    void (*acked)(void *arg); // the server has more records: spool_acked was called
    // The epoch, incarnation or `registered` in the run file has changed.
    void (*changed)(void *arg);
    // The server wants the job to end; `reason` is for people, and may be NULL.
    void (*cancel)(void *arg, const char *reason, uint64_t grace_ms);
    void (*delivered)(void *arg);                          // nothing is left to send for now; may be called many times
    void (*trouble)(void *arg, int err, const char *text); // an attempt failed; another one will follow
    // Called once. 0: the log is sealed, with everything that the spool has. Otherwise delivery is impossible for ever;
    // `text` says why, if more is known than the error tells.
    void (*ended)(void *arg, int err, const char *text);
};

struct delivery_options {
    struct loop *loop;
    struct pool *pool;
    const struct client_options *server; // must live until the pool is freed; NULL with a link
    struct run_file *run;                // the delivery keeps it up to date; its outcome is sent with `complete`
    const char *producer;                // NULL: as in the run file
    struct delivery_link *link;          // taken over; NULL: a WebSocket of its own
    struct spool *spool;                 // must live until the pool is freed
    const uint64_t *digest;              // sent with `complete`; NULL: the spool's digest
    bool tail_lost;                      // the machine went down before the whole spool was on its disk
    const struct delivery_events *events;
    void *arg;
};
// Begins to connect at once.
struct delivery *delivery_new(const struct delivery_options *options);
void delivery_free(struct delivery **delivery);
void delivery_spooled(struct delivery *delivery); // tells that the spool has more
// Tells that the run file says how the job has ended. The rest is sent, and then `complete`.
void delivery_complete(struct delivery *delivery);
bool delivery_reached(const struct delivery *delivery); // true if a server has ever answered, whatever it said
// True if the server has said `ready` on the present or last connection.
bool delivery_greeted(const struct delivery *delivery);
bool delivery_streaming(const struct delivery *delivery); // it has, on the present one
// True while a thread of the pool reads the spool for it: until then the spool must live.
bool delivery_reading(const struct delivery *delivery);
uint64_t delivery_lag(const struct delivery *delivery);
