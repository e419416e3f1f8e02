// The state of a server, and the steps of its start that are not in server.c. For the main thread.
#pragma once

#include "ingest/fetches.h"
#include "ingest/late.h"
#include "ingest/quiet.h"
#include "ingest/timeouts.h"
#include "jobs/dispatch.h"
#include "retention/blobs.h"
#include "retention/sweep.h"
#include "server/cloudwatch.h"
#include "server/cold.h"
#include "server/front.h"
#include "server/issuers.h"
#include "server/listen.h"
#include "server/loki.h"
#include "server/shard.h"
#include "server/tallies.h"
#define SHARDS_MAX 256

struct server {
    struct config *config;
    int (*load)(void *arg, struct config *ret, struct buf *ret_error);
    void *load_arg;
    struct logger logger;
    struct loop *loop; // of the main thread: signals, leases, orders
    struct store *store;
    struct blob_store *blobs;
    struct auth *auth;
    struct issuers *issuers;
    struct hub *hub;
    struct dispatch *dispatch;
    struct keyring *keyring;
    struct embedded *worker;
    struct sweep *sweep;
    struct blob_sweep *blob_sweep;
    struct cold *cold; // NULL: all logs stay in the store
    struct timeouts *timeouts;
    struct quiet *quiet;
    struct late *late;
    struct cloudwatch_logs *cloudwatch; // NULL: no log is fetched; then so is `fetches`
    struct fetches *fetches;
    struct mirror *mirror; // NULL: logs are not copied to Loki
    struct places *followers;
    struct tallies *tallies; // NULL: no other server can have the store
    struct broadcast *news;  // of the hub, to all shards
    struct metrics *metrics;
    struct budget *budget;
    struct tls_server *tls;
    char *backup_dir; // absolute path
    struct pool *pool;
    struct shard shards[SHARDS_MAX];
    struct fanout *fanouts[SHARDS_MAX];
    struct api *apis[SHARDS_MAX];
    unsigned shard_count, drained;
    struct listening listening;
    struct front front;
    int64_t connections_max; // as configured, or fewer if not so many files may be open
    struct signal_watch *signals[3];
    struct hangup *hangup;
    struct timer *deadline;
    struct timer *keep_tickets;
    bool stopping;
    int err;                   // why it ends by itself
    struct settings *settings; // of the start, or of the last reload
};

// --- server_open.c. Each returns 0, or an error after it has said what is wrong and what to do.
int server_check(struct server *server);
int server_open_store(struct server *server);
int server_open_keyring(struct server *server);
void server_tell_own(const struct server *server);
int server_reload_keyring(struct server *server, struct buf *ret_error);
int server_open_blobs(struct server *server);
int server_open_tls(struct server *server);
int server_open_issuers(struct server *server);
int server_check_loki(const struct server *server);
int server_open_cloudwatch(struct server *server);
int server_find_cloudwatch_account(struct server *server);
int server_open_cold(struct server *server);

// --- server_rounds.c
int64_t server_node(void *arg); // the number under which this server has leases
void server_set_late(struct server *server);
void server_make_dispatch(struct server *server);
void server_make_sweep(struct server *server);
int server_make_fetches(struct server *server);
int server_make_mirror(struct server *server);
void server_stop_rounds(struct server *server);
void server_free_rounds(struct server *server);
