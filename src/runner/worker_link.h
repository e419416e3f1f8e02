// The client's end of a worker's socket: one WebSocket that the deliveries of many executions share. It connects by
// itself and again for ever, says `hello` and heartbeats, and hands each frame to the stream or to the worker whose it
// is. On one loop's thread; connecting blocks a thread of the pool.
//
// Records of one turn of the loop go out as one frame. What is queued is bounded: beyond 1 MiB the streams wait for
// their turn, first come, first served. Each stream keeps to the window that the server gives it.
#pragma once

#include "client/client.h"
#include "loop/pool.h"
#include "runner/link.h"
#include "util/json_writer.h"

struct json_t;
struct worker_link;

struct worker_link_events {
    void (*hello)(void *arg, struct json_writer *json); // adds the members of `hello` but the type
    uint32_t (*slots_free)(void *arg);
    void (*welcome)(void *arg, const struct json_t *message); // connected; streams begin (again) after this
    void (*job)(void *arg, const struct json_t *message);
    void (*lost)(void *arg);                               // the connection; the next one is under way
    void (*trouble)(void *arg, int err, const char *text); // an attempt failed; it is made again
};

struct worker_link_options {
    struct loop *loop;
    struct pool *pool;
    const struct client_options *server; // must live until the pool is freed
    const struct worker_link_events *events;
    void *arg;
};
// Begins to connect at once.
struct worker_link *worker_link_new(const struct worker_link_options *options);
void worker_link_free(struct worker_link **link);                     // after the deliveries on it
bool worker_link_connected(const struct worker_link *link);           // welcomed
uint64_t worker_link_last_receive_ms(const struct worker_link *link); // clock_mono_ms; 0: it is not connected
// `return` and `drain`. ERR_CLOSED if it is not connected.
int worker_link_send(struct worker_link *link, struct str object);

// A stream for a delivery of the run, which takes it over (delivery_options.link). `producer` NULL: that of the run.
// Both must live as long as the delivery. It opens by the run's epoch and incarnation, as they are then.
struct run_file;
struct delivery_link *worker_link_stream(struct worker_link *link, const struct run_file *run, const char *producer);
