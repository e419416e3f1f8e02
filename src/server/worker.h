// One event loop with its listener, connections, followers and cache, on its own thread.
#pragma once

#include <pthread.h>

#include "api/api.h"
#include "net/proxy_gate.h"
#include "server/settings.h"

#define WORKER_LISTENERS_MAX 64

struct server;
struct worker_order;

struct worker {
    struct server *server;
    unsigned index, worker_count;
    struct budget *budget;
    struct loop *loop;
    struct fanout *fanout;
    struct api *api;
    struct http_server *http;
    const struct logger *logger;
    struct metrics *metrics;
    const struct net_ranges *trusted;
    struct proxy_gate *gate; // NULL without the PROXY protocol
    struct log_limiter gate_refusals, accept_failures;
    struct listener *listeners[WORKER_LISTENERS_MAX];
    unsigned listener_count;
    struct settings *settings;     // in force here
    struct worker_order *draining; // NULL once reported
    struct timer *goodbye;
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
    struct budget *budget;
    struct tls_server *tls;
    const struct logger *logger;
    const struct config *config;
    struct settings *settings; // each worker takes a reference
    const struct net_ranges *trusted;
    const char *base_path;
    const char *backup_dir; // absolute
    unsigned worker_count;
    int64_t connections_max; // of all workers together
    void (*collect)(void *arg);
    void *collect_arg;
};
int worker_init(struct worker *worker, unsigned index, const struct worker_options *options);
// Adds a listening socket of its own, or a duplicate of one that all workers share and that stays the caller's. Before worker_start.
int worker_listen(struct worker *worker, const char *address);
int worker_listen_fd(struct worker *worker, int fd);
unsigned worker_last_port(const struct worker *worker); // of the socket that was added last; 0 if it is a unix socket
int worker_start(struct worker *worker);
// Any thread: stops accepting, answers what is under way, closes streams; `drained` is posted to `main_loop` once all have gone, or
// have had a second to say goodbye.
void worker_drain(struct worker *worker, struct loop *main_loop, void (*drained)(struct server *server));
void worker_set(struct worker *worker, struct settings *settings); // any thread; takes a reference
void worker_stop(struct worker *worker);                           // ends the loop, joins the thread
void worker_close(struct worker *worker);                          // after it was stopped: closes every connection
void worker_release(struct worker *worker);
