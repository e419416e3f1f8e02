// What delivery.c, its links and its jobs share.
#pragma once

#include "runner/delivery.h"
#include "util/clock.h"

#include <jansson.h>

#define GATHER_BYTES (64u * 1024) // so many bytes of small chunks are sent as one

struct delivery {
    struct delivery_options options;
    struct uplink uplink;
    struct delivery_link *link;
    bool open; // the link is open
    struct timer *retry, *tick;
    struct read_job *reading;
    uint64_t opened_ms, last_send_ms;
    uint64_t lag_told; // on this connection
    uint64_t sent_end; // end of the spool's file when all of it had last been sent
    bool behind;       // since the server said where to continue, not everything has been sent yet
    bool ended_told, delivered_told, reached;
    uint64_t first_digest; // digest of all records before the spool's first one
    struct buf failure;    // why no connection can ever be made; else empty
    bool lost;             // the loss was found while sending; the next step handles it
};

static inline uint64_t delivery_now_ms(void)
{
    return MAX(clock_mono_ms(), (uint64_t)1);
}

// --- delivery_heard.c

// Takes a message of the server. The next step acts on what it changed.
void delivery_heard(struct delivery *delivery, json_t *message);
void delivery_acked(struct delivery *delivery, uint64_t counter);
// What the server says makes no sense, or it says nothing at all: begin with a new connection.
void delivery_breach(struct delivery *delivery, int err, const char *text);

// --- delivery_jobs.c

// One attempt to get a socket: registers the run if necessary, then opens the WebSocket. Runs in the pool.
struct connect_job {
    struct job job;
    void *owner; // NULL when nobody wants the result any more
    struct client_options server;
    atomic_bool abort; // nobody wants the result, and nobody waits for it
    // body: NULL if the execution is registered already. timeless_body: the body without the start time; NULL if the
    // start time is not known.
    char *path, *body, *timeless_body, *idempotency_header;
    // Results:
    int err; // `refused` says whether it is final
    bool refused, registered, existed;
    bool reached; // the server itself answered or hung up
    struct client_ws *ws;
    struct buf text; // for people
};

struct connect_job *connect_job_new(const struct delivery_options *options);
void connect_job_free(struct connect_job **job);
void connect_job_work(struct job *job);

// Reads chunks that are no longer in memory; several small ones become one. Runs in the pool.
struct read_job {
    struct job job;
    struct delivery *delivery; // NULL when nobody wants the result any more
    struct spool *spool;
    uint64_t from;
    // Results:
    int err;
    uint64_t first;
    struct chunk *chunk;
};

void read_job_work(struct job *job);

// Returns the chunk in memory with records of [from, to); several small ones become one. ERR_NOT_FOUND if there is
// none.
int delivery_gather_cached(struct spool *spool, uint64_t from, uint64_t to, uint64_t *ret_first, struct chunk **ret);
