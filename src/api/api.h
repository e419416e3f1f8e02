// The HTTP and WebSocket interface: one api a loop. Routes are one const table (routes.c); each subject has its folder.
#pragma once

#include "auth/auth.h"
#include "fanout/fanout.h"
#include "http/http.h"
#include "ingest/hub.h"
#include "jobs/worker.h"
#include "sse/sse.h"
#include "util/log.h"
#include "ws/ws.h"

// Values that a reload may change; the server hands in a whole new one, never edits the old.
struct api_limits {
    size_t message_max;
    uint64_t followers_max, open_executions_max, regex_steps;
    uint64_t ping_ms, pong_timeout_ms;
    char *const *allowed_hosts; // NULL-terminated; beside loopback and the listening address
    char *const *cors_origins;  // NULL-terminated
    bool metrics_credential;    // /metrics asks for one
};

struct route;

struct api_options {
    const struct route *routes; // api_routes, or a test's own; ends with a NULL pattern
    struct loop *loop;
    struct store *store;
    struct auth *auth;
    struct hub *hub;
    struct fanout *fanout;
    const struct worker_listener *workers; // who hands out jobs; NULL: nobody does
    void *workers_arg;
    struct metrics *metrics;
    struct budget *budget; // NULL: no bound
    unsigned shard;
    const struct logger *logger;
    char *const *listen; // the addresses that are listened on
    size_t listen_count;
    const char *base_path;  // "", or "/…" without a slash at its end: every route lies beneath it
    bool insecure;          // plain HTTP from other machines is served
    const char *backup_dir; // absolute
    // Fills in what the metrics table takes from other places (store, caches) before an export. Any loop's thread.
    void (*collect)(void *arg);
    void *collect_arg;
};

struct api;

struct api *api_new(const struct api_options *options, const struct api_limits *limits);
void api_free(struct api **api);                                       // after all its connections have gone
void api_set_limits(struct api *api, const struct api_limits *limits); // borrowed until the next one or the end
struct http_app api_http_app(struct api *api);
extern const struct hub_listener api_hub_listener; // owner: the api
// Shutdown: refuses what is new (503), ends runner sockets, and ends each follower with 1001 once it has all that is
// durable. `fewer` is called when the last of them has gone.
void api_drain(struct api *api, void (*fewer)(void *arg), void *arg);
void api_close(struct api *api);             // ends what is still open, at once
unsigned api_streams(const struct api *api); // followers and runner sockets still open
