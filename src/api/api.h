// The HTTP and WebSocket interface. Each loop has one api. Routes are one const table (routes.c); each subject has its
// folder.
#pragma once

#include "auth/auth.h"
#include "auth/keyring.h"
#include "blob/objects.h"
#include "fanout/fanout.h"
#include "fanout/places.h"
#include "http/http.h"
#include "ingest/fetches.h"
#include "ingest/hub.h"
#include "ingest/late.h"
#include "jobs/dispatch.h"
#include "jobs/worker.h"
#include "loop/broadcast.h"
#include "sse/sse.h"
#include "util/log.h"
#include "ws/ws.h"

// Values that a reload may change. The server hands in a complete new struct and never edits the old one.
struct api_limits {
    size_t message_max;
    uint64_t followers_max, open_executions_max, queued_jobs_max, secrets_max, regex_steps;
    int64_t cost_rate_micros; // of a worker's hour, in millionths of the currency
    const char *currency;     // what stands before an amount
    struct retention retention;
    uint64_t artifact_max, artifacts_max; // bytes of one file, and of all that an account has
    uint64_t ping_ms, pong_timeout_ms;
    uint64_t push_quiet_ms,
        source_quiet_ms; // of executions that collectors, and late sources, make; see struct execution
    struct retention_own source_retention; // of those that late sources make
    char *const *allowed_hosts;            // NULL-terminated; in addition to loopback and the listening address
    char *const *cors_origins;             // NULL-terminated
    bool metrics_credential;               // /metrics asks for a credential
    bool drains;                           // nothing new is begun
};

struct route;
struct mirror;

struct api_options {
    const struct route *routes; // api_routes, or a test's own table; ends with a NULL pattern
    struct loop *loop;
    struct store *store;
    struct blob_store *blobs;  // NULL: routes of content answer 501
    struct object_store *cold; // old logs; NULL: none are elsewhere
    struct auth *auth;
    struct hub *hub;
    struct dispatch *dispatch;     // NULL: no jobs
    struct late *late;             // what comes late from elsewhere
    struct fetches *fetches;       // of logs that are kept elsewhere; NULL: none are
    struct mirror *mirror;         // in Loki; NULL: there is none
    const struct keyring *keyring; // seals secrets; NULL: none are kept
    struct places *followers;
    struct fanout *fanout;
    const struct worker_listener *workers; // who gives jobs to workers; NULL: nobody does
    void *workers_arg;
    struct metrics *metrics;
    struct budget *budget; // NULL: no limit
    unsigned shard;
    unsigned readers; // threads of the store that searches may use at once; 0: one
    const struct logger *logger;
    char *const *listen; // the addresses of the listening sockets
    size_t listen_count;
    const char *base_path;  // "", or "/…" without a slash at its end: every route lies beneath it
    bool insecure;          // plain HTTP from other machines is served
    const char *backup_dir; // absolute path
    uint64_t patience_ms;   // how long the store may take to say that it is ready; 0: STORE_PATIENCE_MS
    // Fills in metrics that are kept in other places (store, caches), before an export. Called on the thread of any
    // loop.
    void (*collect)(void *arg);
    void *collect_arg;
};

struct api;

struct api *api_new(const struct api_options *options, const struct api_limits *limits);
void api_free(struct api **api);                                       // only after all its connections are gone
void api_set_limits(struct api *api, const struct api_limits *limits); // borrowed until the next call or until api_free
struct http_app api_http_app(struct api *api);
broadcast_fn api_hub_news; // takes struct hub_news; its owner is the api
// For store_watch: tells those who follow the batches of which something has changed. Any thread.
void api_publish(struct api *const *apis, size_t api_count, const struct store_change *changes, size_t change_count);
// For shutdown: refuses new requests (503), ends runner sockets, and ends each follower with 1001 when it has
// everything that is durable. `fewer` is called when the last of them is gone.
void api_drain(struct api *api, void (*fewer)(void *arg), void *arg);
void api_close(struct api *api);             // ends everything that is still open, at once
unsigned api_streams(const struct api *api); // followers and runner sockets that are still open
