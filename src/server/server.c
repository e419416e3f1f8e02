#include "server/server.h"

#include "server/bootstrap.h"
#include "server/collect.h"
#include "server/embedded.h"
#include "server/fail.h"
#include "server/former_node.h"
#include "server/hangup.h"
#include "server/heard.h"
#include "server/logging.h"
#include "server/resources.h"
#include "server/server_private.h"
#include "server/systemd.h"
#include "server/worker_within.h"
#include "util/budget.h"
#include "util/file.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#define POOL_QUEUE      4096
#define KEEP_TICKETS_MS 60000

// --- Watching the store, and metrics

static void server_watch(void *arg, const struct store_change *changes, size_t count)
{
    struct server *server = arg;
    int64_t records = 0, bytes = 0;

    for (size_t i = 0; i < count; i++) {
        if (changes[i].elsewhere && changes[i].sealed)
            hub_fenced(server->hub, changes[i].row); // whoever has sealed it, no runner here goes on with it
        if (!changes[i].chunk)
            continue;
        collect_events(server->metrics, server->shard_count, changes[i].chunk);
        records += chunk_count(changes[i].chunk);
        bytes += (int64_t)chunk_message_bytes(changes[i].chunk);
    }
    metrics_add(server->metrics, server->shard_count, METRIC_records_ingested_total, records);
    metrics_add(server->metrics, server->shard_count, METRIC_record_bytes_ingested_total, bytes);
    fanout_publish(server->fanouts, server->shard_count, changes, count);
    api_publish(server->apis, server->shard_count, changes, count);
    dispatch_watch(server->dispatch, changes, count);
}

static void server_hear(void *arg, const struct store_news *news)
{
    const struct server *server = arg;
    heard_news(news, server->hub, server->auth, server->dispatch);
}

static void server_collect(void *arg)
{
    struct server *server = arg;
    uint64_t open = 0, total = 0, requests = 0;

    for (unsigned i = 0; i < server->shard_count; i++) {
        const struct http_stats *http = http_server_stats(server->shards[i].http);
        open += http->connections;
        total += http->connections_total;
        requests += http->requests_total;
    }
    collect_memory(server->budget, server->metrics);
    metrics_set(server->metrics, METRIC_connections, (int64_t)open);
    metrics_set_total(server->metrics, METRIC_connections_total, total);
    metrics_set_total(server->metrics, METRIC_http_requests_total, requests);
    metrics_set(server->metrics, METRIC_ack_lag_records, (int64_t)hub_lag_total(server->hub));
    collect_store(server->store, server->metrics);
}

// --- Reload and shutdown

// Logs which changed settings are taken over only at a start.
static void server_tell_restart(struct server *server, const struct config *config)
{
    CLEANUP(buf_release) struct buf names = {0};
    for (const struct config_setting *setting = config_settings; setting->name; setting++)
        if (!setting->reload && !config_same(server->config, config, setting))
            buf_printf(&names, "%s%s", names.len ? ", " : "", setting->name);
    if (names.len > 0)
        log_warn(&server->logger, "changed settings that a restart takes over", LOG_S("settings", buf_cstr(&names)));
}

static void server_reload(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    struct config *config = xcalloc(1, sizeof(*config));

    systemd_notify("RELOADING=1");
    config_init(config);
    int err = server->load(server->load_arg, config, &error);
    if (err) {
        config_release(config);
        free(config);
    } else {
        server_tell_restart(server, config);
        settings_unref(&server->settings);
        server->settings = settings_new_owning(&config);
        sweep_set(server->sweep, &server->settings->limits.retention);
        server_set_late(server);
        tallies_set(server->tallies, server->settings->limits.followers_max);
        dispatch_hold(server->dispatch, server->settings->limits.drains);
        for (unsigned i = 0; i < server->shard_count; i++)
            shard_set(&server->shards[i], server->settings);
    }
    if (err == 0)
        err = issuers_load(server->issuers, server->settings->owned->jwt_issuers, &error);
    if (err == 0 && server->tls)
        err = tls_server_reload(server->tls, &error);
    if (err == 0)
        err = server_reload_keyring(server, &error);
    if (err)
        log_error(&server->logger, "reload failed; what was in force stays", LOG_S("reason", buf_cstr(&error)));
    else
        log_info(&server->logger, "reloaded", LOG_S("data", server->config->data));
    metrics_set(server->metrics, METRIC_reload_failed, err != 0);
    systemd_notify("READY=1");
}

static void server_drained(struct server *server)
{
    if (++server->drained == server->shard_count)
        loop_stop(server->loop);
}

static void server_keep_tickets(void *arg)
{
    struct server *server = arg;
    auth_keep_tickets(server->auth, server->loop);
    timer_start(server->keep_tickets, KEEP_TICKETS_MS);
}

static void server_deadline(void *arg)
{
    struct server *server = arg;
    log_warn(&server->logger, "shutdown deadline reached; closing what is still open",
             LOG_I("seconds", server->config->shutdown_seconds));
    loop_stop(server->loop);
}

static void server_signal(void *arg, int signum)
{
    struct server *server = arg;

    bool terminal_gone = signum == SIGHUP && hangup_is_the_terminals(server->hangup);
    if (signum == SIGHUP && !terminal_gone) {
        server_reload(server);
        return;
    }
    if (server->stopping && terminal_gone)
        return; // the kernel and the shell may both send it
    if (server->stopping) {
        loop_stop(server->loop); // asked twice: stop at once
        return;
    }
    server->stopping = true;
    log_info(&server->logger, terminal_gone ? "shutting down, because the terminal is gone" : "shutting down",
             LOG_I("signal", signum));
    systemd_notify("STOPPING=1");
    embedded_stop(&server->worker);
    tallies_leave(server->tallies);
    timer_start(server->deadline, (uint64_t)server->config->shutdown_seconds * 1000);
    for (unsigned i = 0; i < server->shard_count; i++)
        shard_drain(&server->shards[i], server->loop, server_drained);
}

// --- Start

static void server_tell(void *arg, const struct hub_news *news)
{
    broadcast_tell(arg, news);
}

// Nothing of what it would still write is understood any more: so it does not wait for anybody.
static void server_outgrown(void *arg)
{
    struct server *server = arg;
    log_error(&server->logger,
              "while this server stood still the store was brought to a schema that this version does not know; it "
              "ends. Install the version of the other servers",
              LOG_S("data", server->config->data));
    server->err = ERR_TOO_NEW;
    loop_stop(server->loop);
}

static void server_became_node(void *arg, int64_t node)
{
    const struct server *server = arg;
    former_node_keep(server->store, server->config->data, node, &server->logger);
}

// --- What all shards share

static int server_make_rooms(struct server *server)
{
    const struct config *config = server->config;
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    unsigned count = config->loops ? (unsigned)config->loops : (unsigned)MAX(cores, 1);

    server->shard_count = MIN(count, SHARDS_MAX);
    server->metrics = collect_metrics_new(server->shard_count + 1);
    struct auth_options auth = {.failed_logins_max = (unsigned)config->failed_logins_max};
    int err = server_open_blobs(server);
    if (err == 0)
        err = server_open_cold(server);
    if (err == 0)
        err = auth_new(server->store, &auth, &server->auth);
    if (err == 0)
        err = pool_new((unsigned)config->readers, POOL_QUEUE, &server->pool);
    if (err)
        return err;
    server->news = broadcast_new(sizeof(struct hub_news));
    server->followers = places_new();
    struct hub_options hub = {
        .former = former_node(server->store, server->config->data),
        .became = server_became_node,
        .outgrown = server_outgrown,
        .became_arg = server,
        .lease_ms = (uint64_t)config->lease_seconds * 1000,
        .lost_seal_ms = (uint64_t)config->lost_seal_seconds * 1000,
        .store = server->store,
        .metrics = server->metrics,
        .logger = &server->logger,
        .address = config->listen.items[0],
        .tell = server_tell,
        .tell_arg = server->news,
    };
    server->hub = hub_new(&hub);
    server_make_dispatch(server);
    server->settings = settings_new(config);
    server_make_sweep(server);
    const struct tallies_options tallies = {server->loop,      server->store, server_node,     server,
                                            server->followers, server->auth,  server->dispatch};
    server->tallies = tallies_new(&tallies, server->settings->limits.followers_max);
    err = server_make_fetches(server);
    return err ? err : server_make_mirror(server);
}

static int server_make_shards(struct server *server)
{
    struct shard_options options = {
        .server = server,
        .store = server->store,
        .blobs = server->blobs,
        .cold = cold_objects(server->cold),
        .pool = server->pool,
        .auth = server->auth,
        .hub = server->hub,
        .dispatch = server->dispatch,
        .late = server->late,
        .fetches = server->fetches,
        .mirror = server->mirror,
        .keyring = server->keyring,
        .followers = server->followers,
        .news = server->news,
        .metrics = server->metrics,
        .budget = server->budget,
        .tls = server->tls,
        .logger = &server->logger,
        .config = server->config,
        .settings = server->settings,
        .trusted = server->front.trusted,
        .base_path = server->front.base_path,
        .backup_dir = server->backup_dir,
        .shard_count = server->shard_count,
        .connections_max = server->connections_max,
        .collect = server_collect,
        .collect_arg = server,
    };
    for (unsigned i = 0; i < server->shard_count; i++) {
        int err = shard_init(&server->shards[i], i, &options);
        if (err)
            return err;
        server->fanouts[i] = server->shards[i].fanout;
        server->apis[i] = server->shards[i].api;
    }
    store_hear(server->store, server_hear, server);
    return store_watch(server->store, server_watch, server);
}

static int server_listen(struct server *server)
{
    CLEANUP(buf_release) struct buf error = {0};
    CLEANUP(buf_release) struct buf addresses = {0};
    const struct text_list *listen = &server->config->listen;
    int err = listening_open(&server->listening, server->config, server->shards, server->shard_count, &error);
    if (err)
        return server_fail(err, buf_cstr(&error), NULL);
    for (size_t i = 0; i < listen->count; i++)
        buf_printf(&addresses, "%s%s", i > 0 ? ", " : "", listen->items[i]);
    log_info(&server->logger, "listening", LOG_STR("address", buf_str(&addresses)),
             LOG_I("port", server->listening.port), LOG_I("loops", server->shard_count),
             LOG_S("incarnation", store_incarnation(server->store)));
    return 0;
}

struct joining {
    struct server *server;
    int err;
};

static void server_joined(void *arg, int err)
{
    struct joining *it = arg;
    it->err = err;
    loop_stop(it->server->loop);
}

// Becomes a node of the store, in whose name runners claim: none may come before.
static int server_join_store(struct server *server)
{
    struct joining it = {.server = server};
    hub_start(server->hub, server->loop, server_joined, &it);
    loop_run(server->loop);
    return it.err ? server_fail(it.err, "the store cannot be joined", error_text(it.err)) : 0;
}

static int server_start(struct server *server)
{
    const struct config *config = server->config;
    static const int signums[] = {SIGTERM, SIGINT, SIGHUP};

    server->hangup = hangup_new(server->loop, HANGUP_FRESH_MS);
    for (size_t i = 0; i < ARRAY_LEN(signums); i++)
        server->signals[i] = signal_watch_new(server->loop, signums[i], server_signal, server);
    server->deadline = timer_new(server->loop, server_deadline, server);
    server->keep_tickets = timer_new(server->loop, server_keep_tickets, server);
    timer_start(server->keep_tickets, KEEP_TICKETS_MS);
    for (unsigned i = 0; i < server->shard_count; i++) {
        int err = shard_start(&server->shards[i]);
        if (err)
            return err;
    }
    if (config->port_file[0]) {
        CLEANUP(buf_release) struct buf text = {0};
        buf_printf(&text, "%u\n", server->listening.port);
        int err = file_write_atomic(config->port_file, text.data, text.len, 0644);
        if (err < 0)
            return server_fail_path("the port file cannot be written", config->port_file, err);
    }
    dispatch_start(server->dispatch);
    tallies_start(server->tallies);
    server->worker =
        worker_within_start(config, server->listening.port, server->front.base_path, server->loop, &server->logger);
    sweep_start(server->sweep);
    blob_sweep_start(server->blob_sweep);
    timeouts_start(server->timeouts);
    quiet_start(server->quiet);
    if (cold_start(server->cold))
        return server_fail(ERR_NOMEM, "the thread that moves old logs cannot be started", NULL);
    if (server->mirror)
        mirror_start(server->mirror);
    server_tell_own(server);
    log_info(&server->logger, "ready", LOG_I("port", server->listening.port), LOG_S("data", config->data));
    systemd_notify("READY=1");
    return 0;
}

static void server_release(struct server *server)
{
    embedded_stop(&server->worker);
    if (server->dispatch)
        dispatch_stop(server->dispatch);
    server_stop_rounds(server);
    if (server->hub)
        hub_stop(server->hub);
    for (unsigned i = 0; i < server->shard_count; i++)
        shard_stop(&server->shards[i]);
    for (unsigned i = 0; i < server->shard_count; i++)
        shard_close(&server->shards[i]);
    // What was given to the pool is still finished and finds its loop. What follows from it is refused. After that
    // nothing is under way any more.
    cold_stop_moving(server->cold);
    if (server->store)
        store_stop(server->store);
    if (server->blobs)
        blob_stop(server->blobs);
    issuers_stop(server->issuers);
    fetches_join(server->fetches);
    mirror_join(server->mirror);
    pool_free(&server->pool);
    if (server->loop) // what it has gathered is answered to the shards
        loop_deliver(server->loop);
    // Twice, because what one loop delivers may send something to the others.
    for (unsigned i = 0; i < 2 * server->shard_count; i++)
        if (server->shards[i % server->shard_count].loop)
            loop_deliver(server->shards[i % server->shard_count].loop);
    if (server->loop)
        loop_deliver(server->loop);
    store_free(&server->store);
    cold_close(&server->cold);
    blob_free(&server->blobs);
    for (unsigned i = 0; i < server->shard_count; i++)
        shard_release(&server->shards[i]);
    for (size_t i = 0; i < ARRAY_LEN(server->signals); i++)
        signal_watch_free(&server->signals[i]);
    hangup_free(&server->hangup);
    timer_free(&server->deadline);
    timer_free(&server->keep_tickets);
    dispatch_free(&server->dispatch);
    server_free_rounds(server);
    hub_free(&server->hub);
    places_free(&server->followers);
    issuers_free(&server->issuers);
    auth_free(&server->auth);
    keyring_free(&server->keyring);
    metrics_free(&server->metrics);
    budget_free(&server->budget);
    tls_server_free(&server->tls);
    listening_close(&server->listening);
    front_release(&server->front);
    if (server->loop)
        loop_free(&server->loop);
    broadcast_free(&server->news);
    settings_unref(&server->settings);
    free(server->backup_dir);
    free(server);
}

int server_run(struct config *config, int (*load)(void *arg, struct config *ret, struct buf *ret_error), void *arg)
{
    struct server *server = xcalloc(1, sizeof(*server));
    server->config = config;
    server->load = load;
    server->load_arg = arg;
    server->logger = logging_of(config);
    signal(SIGPIPE, SIG_IGN);
    umask(0077); // logs may hold secrets, so files are for this user alone

    resources_keep_memory();

    int err = server_check(server);
    if (err == 0)
        err = loop_new(&server->loop);
    if (err == 0) {
        server->connections_max = resources_connections_max(config->connections_max, &server->logger);
        err = server_open_tls(server);
    }
    if (err == 0)
        err = server_open_cloudwatch(server);
    if (err == 0)
        err = server_check_loki(server);
    if (err == 0)
        err = server_open_store(server);
    if (err == 0)
        err = server_open_keyring(server);
    if (err == 0)
        err = server_make_rooms(server);
    if (err == 0)
        err = server_open_issuers(server);
    if (err == 0)
        err = server_make_shards(server);
    if (err == 0) {
        err = bootstrap_store(server->store, server->loop, config->data);
        if (err)
            server_fail_path("the first account or its key could not be made", config->data, err);
    }
    if (err == 0)
        err = server_find_cloudwatch_account(server);
    if (err == 0)
        err = server_listen(server);
    if (err == 0)
        err = server_join_store(server);
    if (err == 0)
        err = server_start(server);
    if (err == 0) {
        loop_run(server->loop);
        log_info(&server->logger, "stopped", LOG_I("port", server->listening.port));
        err = server->err;
    }
    server_release(server);
    return err;
}
