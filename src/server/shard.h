// One of the server's event loops (the setting `loops` says how many). Each has its own thread, listener, connections,
// API, followers and cache.
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
    struct settings *settings;    // those in force here
    struct shard_order *draining; // NULL after it was reported
    struct timer *goodbye;
    pthread_t thread;
    bool started;
};

// What all shards share. The server makes it, and it outlives them.
struct shard_options {
    struct server *server;
    struct store *store;
    struct blob_store *blobs;
    struct object_store *cold;
    struct pool *pool;
    struct auth *auth;
    struct hub *hub;
    struct dispatch *dispatch;
    struct late *late;
    struct fetches *fetches; // NULL: no log is fetched
    struct mirror *mirror;   // NULL: none is copied to Loki
    const struct keyring *keyring;
    struct places *followers;
    struct broadcast *news; // of the hub
    struct metrics *metrics;
    struct budget *budget;
    struct tls_server *tls;
    const struct logger *logger;
    const struct config *config;
    struct settings *settings; // each shard takes a reference
    const struct net_ranges *trusted;
    const char *base_path;
    const char *backup_dir; // absolute path
    unsigned shard_count;
    int64_t connections_max; // for all shards together
    void (*collect)(void *arg);
    void *collect_arg;
};
int shard_init(struct shard *shard, unsigned index, const struct shard_options *options);
// Adds a listening socket of its own; or a duplicate of a socket that all shards share and that the caller keeps. Only
// before shard_start.
int shard_listen(struct shard *shard, const char *address);
int shard_listen_fd(struct shard *shard, int fd);
unsigned shard_last_port(const struct shard *shard); // of the socket that was added last; 0 if it is a unix socket
int shard_start(struct shard *shard);
// Any thread. Stops accepting, answers what is under way, and closes streams. `drained` is posted to `main_loop` when
// all connections are gone, or have had a second to close.
void shard_drain(struct shard *shard, struct loop *main_loop, void (*drained)(struct server *server));
void shard_set(struct shard *shard, struct settings *settings); // any thread; takes a reference
void shard_stop(struct shard *shard);                           // ends the loop and joins the thread
void shard_close(struct shard *shard);                          // only after shard_stop: closes every connection
void shard_release(struct shard *shard);
