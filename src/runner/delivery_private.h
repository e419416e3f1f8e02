// What delivery.c, its links and its jobs share.
#pragma once

#include "runner/delivery.h"

#define GATHER_BYTES (64u * 1024) // so many bytes of small chunks are sent as one

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
