#include "server/shard.h"

#include "api/routes.h"
#include "net/listener.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>

#define GOODBYE_MS 1000

// Connections that have not yet sent their header of the PROXY protocol.
#define GATE_WAITING_MAX 1024
#define GATE_TIMEOUT_MS  5000

static void shard_live(void *arg, int64_t row, struct execution_live *ret)
{
    hub_live(arg, row, ret);
}

static struct http_limits http_limits_of(const struct shard_options *options)
{
    const struct config *config = options->config;
    int64_t shards = options->shard_count;
    return (struct http_limits){
        .url_max = 8 * 1024,
        .headers_max = 16 * 1024,
        .body_max = (size_t)config->body_max,
        .connections_max = (unsigned)((options->connections_max + shards - 1) / shards),
        .header_timeout_ms = 30000,
        .idle_timeout_ms = 120000,
        .send_timeout_ms = 600000,
        .slow_timeout_ms = 10000,
        .budget = options->budget,
    };
}

static size_t cache_bytes_of(const struct settings *settings, const struct budget *budget, unsigned shards)
{
    return MIN(settings->cache_bytes, budget_bound(budget, BUDGET_cache)) / shards;
}

// --- Accepting

static bool is_unix_socket(int fd)
{
    int domain = 0;
    socklen_t len = sizeof(domain);
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static void shard_passed(void *arg, int fd, const struct proxy_header *header)
{
    struct shard *shard = arg;
    struct http_accepted accepted = {.fd = fd,
                                     .plain = is_unix_socket(fd),
                                     .https = header->https,
                                     .unknown = !header->has_source,
                                     .address = header->has_source ? &header->source : NULL};
    http_server_accept(shard->http, &accepted);
}

static void shard_gate_refused(void *arg, const struct net_address *peer, int err)
{
    struct shard *shard = arg;
    char text[NET_ADDRESS_TEXT];
    uint64_t left_out;
    if (err == ERR_CLOSED || !log_limiter_pass(&shard->gate_refusals, loop_now_ms(shard->loop), &left_out))
        return; // a port check
    net_address_format(peer, text);
    log_warn(shard->logger, "a trusted proxy sent no header of the PROXY protocol", LOG_S("peer", text),
             LOG_S("reason", err == ERR_RATE ? "too many connections wait for theirs" : error_text(err)),
             LOG_I("not_logged", left_out));
}

static void shard_accepted(void *arg, int fd)
{
    struct shard *shard = arg;
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof(name);
    struct net_address peer = {0};
    if (shard->gate && getpeername(fd, (struct sockaddr *)&name, &len) == 0)
        net_address_of((const struct sockaddr *)&name, &peer);
    if (shard->gate && net_ranges_has(shard->trusted, &peer)) {
        proxy_gate_accept(shard->gate, fd, &peer);
        return;
    }
    http_server_accept(shard->http, &(struct http_accepted){.fd = fd, .plain = is_unix_socket(fd)});
}

// Connections wait in the kernel's queue meanwhile. The listener tries again in a second.
static void shard_accept_failed(void *arg, int err)
{
    struct shard *shard = arg;
    struct rlimit files = {0};
    uint64_t left_out;
    metrics_add(shard->metrics, shard->index, METRIC_accept_failures_total, 1);
    if (!log_limiter_pass(&shard->accept_failures, loop_now_ms(shard->loop), &left_out))
        return;
    getrlimit(RLIMIT_NOFILE, &files);
    CLEANUP(free_ptr) char *reason = xasprintf("%s: %s", strerrorname_np(-err), strerror(-err));
    log_error(shard->logger, "connections cannot be accepted; trying again each second", LOG_S("reason", reason),
              LOG_S("cure", err == -EMFILE ? "let the server open more files, or lower connections_max" : ""),
              LOG_I("files_max", files.rlim_cur), LOG_I("not_logged", left_out));
}

static struct proxy_gate *shard_gate_new(struct shard *shard, const struct config *config)
{
    struct proxy_gate_options options = {
        .loop = shard->loop,
        .waiting_max = GATE_WAITING_MAX,
        .timeout_ms = GATE_TIMEOUT_MS,
        .passed = shard_passed,
        .refused = shard_gate_refused,
        .arg = shard,
    };
    return config->proxy_protocol ? proxy_gate_new(&options) : NULL;
}

static int shard_add_listener(struct shard *shard, int err)
{
    if (err)
        return err;
    listener_on_failure(shard->listeners[shard->listener_count++], shard_accept_failed);
    return 0;
}

int shard_listen(struct shard *shard, const char *address)
{
    if (shard->listener_count == SHARD_LISTENERS_MAX)
        return ERR_INVALID;
    struct listener **place = &shard->listeners[shard->listener_count];
    return shard_add_listener(shard, listener_new(shard->loop, address, shard_accepted, shard, place));
}

int shard_listen_fd(struct shard *shard, int fd)
{
    if (shard->listener_count == SHARD_LISTENERS_MAX)
        return ERR_INVALID;
    struct listener **place = &shard->listeners[shard->listener_count];
    return shard_add_listener(shard, listener_from_fd(shard->loop, fd, shard_accepted, shard, place));
}

unsigned shard_last_port(const struct shard *shard)
{
    return listener_port(shard->listeners[shard->listener_count - 1]);
}

static struct api_options api_options_of(const struct shard *shard, const struct shard_options *options)
{
    const struct config *config = options->config;
    return (struct api_options){
        .routes = api_routes,
        .loop = shard->loop,
        .store = options->store,
        .blobs = options->blobs,
        .cold = options->cold,
        .auth = options->auth,
        .hub = options->hub,
        .dispatch = options->dispatch,
        .late = options->late,
        .fetches = options->fetches,
        .mirror = options->mirror,
        .keyring = options->keyring,
        .workers = options->dispatch ? &dispatch_listener : NULL,
        .workers_arg = options->dispatch,
        .followers = options->followers,
        .fanout = shard->fanout,
        .metrics = options->metrics,
        .budget = options->budget,
        .shard = shard->index,
        .readers = (unsigned)config->readers,
        .logger = options->logger,
        .listen = config->listen.items,
        .listen_count = config->listen.count,
        .base_path = options->base_path ? options->base_path : "",
        .insecure = config->insecure,
        .backup_dir = options->backup_dir,
        .collect = options->collect,
        .collect_arg = options->collect_arg,
    };
}

int shard_init(struct shard *shard, unsigned index, const struct shard_options *options)
{
    const struct config *config = options->config;

    *shard = (struct shard){
        .server = options->server,
        .index = index,
        .logger = options->logger,
        .metrics = options->metrics,
        .trusted = options->trusted,
        .shard_count = options->shard_count,
        .budget = options->budget,
        .settings = settings_ref(options->settings),
    };
    int err = loop_new(&shard->loop);
    if (err)
        return err;
    struct fanout_options fanout = {
        .loop = shard->loop,
        .store = options->store,
        .pool = options->pool,
        .metrics = options->metrics,
        .shard = index,
        .budget = options->budget,
        .cache_bytes = cache_bytes_of(options->settings, options->budget, options->shard_count),
        .regex_steps = options->settings->limits.regex_steps,
        .live = shard_live,
        .live_arg = options->hub,
    };
    shard->fanout = fanout_new(&fanout);
    struct api_options api = api_options_of(shard, options);
    shard->api = api_new(&api, &shard->settings->limits);
    broadcast_join(options->news, shard->loop, api_hub_news, shard->api);
    struct http_app app = api_http_app(shard->api);
    struct http_limits limits = http_limits_of(options);
    shard->http = http_server_new(shard->loop, &app, &limits, options->tls);
    http_server_trust(shard->http, options->trusted);
    shard->gate = shard_gate_new(shard, config);
    return 0;
}

static void *shard_run(void *arg)
{
    struct shard *shard = arg;
    loop_run(shard->loop);
    return NULL;
}

int shard_start(struct shard *shard)
{
    if (pthread_create(&shard->thread, NULL, shard_run, shard) != 0)
        return ERR_INTERNAL;
    shard->started = true;
    return 0;
}

// --- Orders from the main thread

struct shard_order {
    struct mail mail;
    struct shard *shard;
    struct settings *settings;
    struct loop *main_loop;
    void (*drained)(struct server *server);
};

static void order_report(struct mail *mail)
{
    struct shard_order *order = CONTAINER_OF(mail, struct shard_order, mail);
    order->drained(order->shard->server);
    free(order);
}

static void shard_drained(struct shard *shard)
{
    struct shard_order *order = TAKE_PTR(shard->draining);
    if (!order)
        return;
    order->mail.deliver = order_report;
    loop_post(order->main_loop, &order->mail);
}

static bool shard_quiet(const struct shard *shard)
{
    return http_server_connections(shard->http) == 0 && api_streams(shard->api) == 0;
}

// A connection has gone. The ones that are left are only closing. Most peers close at once; the others are not waited
// for.
static void shard_look(void *arg)
{
    struct shard *shard = arg;
    if (!shard->draining || !shard_quiet(shard))
        return;
    if (http_server_open(shard->http) == 0)
        shard_drained(shard);
    else if (!timer_active(shard->goodbye))
        timer_start(shard->goodbye, GOODBYE_MS);
}

static void shard_no_goodbye(void *arg)
{
    struct shard *shard = arg;
    if (shard_quiet(shard)) // otherwise one has become a stream meanwhile
        shard_drained(shard);
}

static void order_drain(struct mail *mail)
{
    struct shard_order *order = CONTAINER_OF(mail, struct shard_order, mail);
    struct shard *shard = order->shard;

    if (!shard->http) { // closed before the order was read
        free(order);
        return;
    }
    for (unsigned i = 0; i < shard->listener_count; i++)
        listener_free(&shard->listeners[i]);
    shard->listener_count = 0;
    proxy_gate_free(&shard->gate);
    shard->draining = order;
    shard->goodbye = timer_new(shard->loop, shard_no_goodbye, shard);
    api_drain(shard->api, shard_look, shard);
    http_server_drain(shard->http, shard_look, shard);
}

void shard_drain(struct shard *shard, struct loop *main_loop, void (*drained)(struct server *server))
{
    struct shard_order *order = xcalloc(1, sizeof(*order));
    *order =
        (struct shard_order){.mail.deliver = order_drain, .shard = shard, .main_loop = main_loop, .drained = drained};
    loop_post(shard->loop, &order->mail);
}

static void order_settings(struct mail *mail)
{
    struct shard_order *order = CONTAINER_OF(mail, struct shard_order, mail);
    struct shard *shard = order->shard;
    struct settings *former = shard->settings;
    shard->settings = TAKE_PTR(order->settings);
    api_set_limits(shard->api, &shard->settings->limits);
    fanout_set_cache_bytes(shard->fanout, cache_bytes_of(shard->settings, shard->budget, shard->shard_count));
    fanout_set_regex_steps(shard->fanout, shard->settings->limits.regex_steps);
    settings_unref(&former);
    free(order);
}

void shard_set(struct shard *shard, struct settings *settings)
{
    struct shard_order *order = xcalloc(1, sizeof(*order));
    *order = (struct shard_order){.mail.deliver = order_settings, .shard = shard, .settings = settings_ref(settings)};
    loop_post(shard->loop, &order->mail);
}

void shard_stop(struct shard *shard)
{
    if (!shard->started)
        return;
    loop_stop(shard->loop);
    pthread_join(shard->thread, NULL);
    shard->started = false;
}

void shard_close(struct shard *shard)
{
    for (unsigned i = 0; i < shard->listener_count; i++)
        listener_free(&shard->listeners[i]);
    shard->listener_count = 0;
    proxy_gate_free(&shard->gate);
    timer_free(&shard->goodbye);
    free(TAKE_PTR(shard->draining));
    if (shard->api)
        api_close(shard->api);
    http_server_free(&shard->http);
}

void shard_release(struct shard *shard)
{
    api_free(&shard->api);
    settings_unref(&shard->settings);
    fanout_free(&shard->fanout);
    loop_free(&shard->loop);
}
