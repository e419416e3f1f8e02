// The client's end of a worker's socket: one WebSocket that the deliveries of many executions share. It connects by
// itself, again and again, sends `hello` and heartbeats, and gives each frame to its stream or to the worker. On one
// loop's thread; connecting blocks a thread of the pool.
//
// Records of one turn of the loop are sent as one frame. The queue is bounded: when it holds more than 1 MiB, the
// streams wait for their turn, in the order in which they came. Each stream keeps to the window that the server gives
// it.
#pragma once

#include "client/client.h"
#include "loop/pool.h"
#include "model/life.h"
#include "runner/link.h"
#include "util/json_writer.h"

struct json_t;
struct worker_link;

struct worker_link_events {
    void (*hello)(void *arg, struct json_writer *json); // adds the members of `hello` but the type
    uint32_t (*slots_free)(void *arg);
    void (*welcome)(void *arg, const struct json_t *message); // connected; streams begin (again) after this
    void (*job)(void *arg, const struct json_t *message);
    void (*lost)(void *arg);                               // the connection was lost; the next one is under way
    void (*trouble)(void *arg, int err, const char *text); // an attempt failed; another one will follow
    void (*refused)(void *arg, const char *text);          // another machine uses its id; it is to end. May be NULL
    void (*drain)(void *arg, bool on);                     // it is to take no more jobs, or some again; may be NULL
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
void worker_link_free(struct worker_link **link); // only after the deliveries on it
// What `hello` says has changed: says it again, on a new connection.
void worker_link_renew(struct worker_link *link);
bool worker_link_connected(const struct worker_link *link); // `welcome` has come
// The newest time (clock_boot_ms) at which something was said that a server has heard; 0: none yet. See model/life.h.
uint64_t worker_link_proved_ms(const struct worker_link *link);
// For `return` and `drain`. Returns ERR_CLOSED if it is not connected.
int worker_link_send(struct worker_link *link, struct str object);

// Makes a stream for the delivery of a run, which takes it over (delivery_options.link). `producer` NULL: that of the
// run. Both must live as long as the delivery. It opens with the run's epoch and incarnation at that time.
struct run_file;
struct delivery_link *worker_link_stream(struct worker_link *link, const struct run_file *run, const char *producer);
// `alive` is called whenever the life of the stream's execution grows longer; see model/life.h.
void worker_link_watch_life(struct delivery_link *link, void (*alive)(void *arg, const struct life *life), void *arg);
