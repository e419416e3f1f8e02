// One of the server's event loops (the setting `loops` says how many) with its own listener, connections, API,
// followers and cache, on its own thread.
#pragma once

#include "api/api.h"
#include "net/proxy_gate.h"
#include "server/settings.h"

#include <pthread.h>

#define SHARD_LISTENERS_MAX 64

struct server;
struct shard_order;

struct shard {
    struct server *server;
    unsigned index, shard_count;
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
    struct listener *listeners[SHARD_LISTENERS_MAX];
    unsigned listener_count;
    struct settings *settings;    // in force here
    struct shard_order *draining; // NULL once reported
    struct timer *goodbye;
    pthread_t thread;
    bool started;
};

// What all shards share; made by the server, outlives them.
struct shard_options {
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
    struct settings *settings; // each shard takes a reference
    const struct net_ranges *trusted;
    const char *base_path;
    const char *backup_dir; // absolute
    unsigned shard_count;
    int64_t connections_max; // of all shards together
    void (*collect)(void *arg);
    void *collect_arg;
};
int shard_init(struct shard *shard, unsigned index, const struct shard_options *options);
// Adds a listening socket of its own, or a duplicate of one that all shards share and that stays the caller's. Before
// shard_start.
int shard_listen(struct shard *shard, const char *address);
int shard_listen_fd(struct shard *shard, int fd);
unsigned shard_last_port(const struct shard *shard); // of the socket that was added last; 0 if it is a unix socket
int shard_start(struct shard *shard);
// Any thread: stops accepting, answers what is under way, closes streams; `drained` is posted to `main_loop` once all
// have gone, or have had a second to say goodbye.
void shard_drain(struct shard *shard, struct loop *main_loop, void (*drained)(struct server *server));
void shard_set(struct shard *shard, struct settings *settings); // any thread; takes a reference
void shard_stop(struct shard *shard);                           // ends the loop, joins the thread
void shard_close(struct shard *shard);                          // after it was stopped: closes every connection
void shard_release(struct shard *shard);
