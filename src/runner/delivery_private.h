// What delivery.c and its jobs share.
#pragma once

#include "runner/delivery.h"

#define GATHER_BYTES (64u * 1024) // of small chunks that are sent as one

// One attempt to get a socket: registers the run if need be, then opens the WebSocket. Runs in the pool.
struct connect_job {
    struct job job;
    struct delivery *delivery; // NULL when nobody wants the result any more
    struct client_options server;
    atomic_bool abort; // nobody wants the result any more, and nobody waits for it
    // body: NULL if it is registered. timeless_body: without the time of the start; NULL if there is none
    char *path, *body, *timeless_body, *idempotency_header;
    // Results:
    int err; // final refusals are told by `refused`
    bool refused, registered, existed;
    bool reached; // it was the server who answered, or hung up
    struct client_ws *ws;
    struct buf text; // for people
};

struct connect_job *connect_job_new(const struct delivery_options *options);
void connect_job_free(struct connect_job **job);
void connect_job_work(struct job *job);

// Reads chunks that memory no longer has: several small ones become one. Runs in the pool.
struct read_job {
    struct job job;
    struct delivery *delivery; // as above
    struct spool *spool;
    uint64_t from;
    // Results:
    int err;
    uint64_t first;
    struct chunk *chunk;
};

void read_job_work(struct job *job);

// What memory has of the records in [from, to): one chunk, or several small ones made one. ERR_NOT_FOUND.
int delivery_gather_cached(struct spool *spool, uint64_t from, uint64_t to, uint64_t *ret_first, struct chunk **ret);
