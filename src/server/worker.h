// One event loop with its listener, connections, followers and cache, on its own thread.
#pragma once

#include <pthread.h>

#include "api/api.h"
#include "server/config.h"

#define WORKER_LISTENERS_MAX 64

struct server;
struct worker_order;

struct worker {
    struct server *server;
    unsigned index;
    struct loop *loop;
    struct fanout *fanout;
    struct api *api;
    struct http_server *http;
    struct listener *listeners[WORKER_LISTENERS_MAX];
    unsigned listener_count;
    struct timer *drain_poll;
    struct worker_order *draining; // NULL once reported
    pthread_t thread;
    bool started;
};

// What all workers share; made by the server, outlives them.
struct worker_options {
    struct server *server;
    struct store *store;
    struct pool *pool;
    struct auth *auth;
    struct hub *hub;
    struct metrics *metrics;
    struct tls_server *tls;
    const struct logger *logger;
    const struct config *config;
    const struct api_limits *limits;
    unsigned worker_count;
    int64_t connections_max; // of all workers together
    void (*collect)(void *arg);
    void *collect_arg;
};
int worker_init(struct worker *worker, unsigned index, const struct worker_options *options);
// Opens the listening sockets: those handed over, or `address`, whose port 0 becomes the one chosen.
int worker_listen(struct worker *worker, const char *address, unsigned inherited);
int worker_start(struct worker *worker);
// Any thread: stops accepting, answers what is under way, closes streams; `drained` is posted to `main_loop` once all have gone.
void worker_drain(struct worker *worker, struct loop *main_loop, void (*drained)(struct server *server));
void worker_set_limits(struct worker *worker, const struct api_limits *limits, size_t cache_bytes); // any thread
void worker_stop(struct worker *worker);  // ends the loop, joins the thread
void worker_close(struct worker *worker); // after it was stopped: closes every connection
void worker_release(struct worker *worker);
