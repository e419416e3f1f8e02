#include "server/worker.h"

#include <errno.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "api/routes.h"
#include "net/listener.h"

#define GOODBYE_MS 1000

// Connections that have still to send their header of the PROXY protocol.
#define GATE_WAITING_MAX 1024
#define GATE_TIMEOUT_MS  5000

static void worker_live(void *arg, int64_t row, struct execution_live *ret)
{
    hub_live(arg, row, ret);
}

static struct http_limits http_limits_of(const struct worker_options *options)
{
    const struct config *config = options->config;
    int64_t workers = options->worker_count;
    return (struct http_limits){
        .url_max = 8 * 1024,
        .headers_max = 16 * 1024,
        .body_max = (size_t)config->body_max,
        .connections_max = (unsigned)((options->connections_max + workers - 1) / workers),
        .header_timeout_ms = 30000,
        .idle_timeout_ms = 120000,
        .send_timeout_ms = 600000,
        .slow_timeout_ms = 10000,
        .budget = options->budget,
    };
}

static size_t cache_bytes_of(const struct settings *settings, const struct budget *budget, unsigned workers)
{
    return MIN(settings->cache_bytes, budget_bound(budget, BUDGET_cache)) / workers;
}

// --- Accepting

static bool is_unix_socket(int fd)
{
    int domain = 0;
    socklen_t len = sizeof domain;
    return getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &domain, &len) == 0 && domain == AF_UNIX;
}

static void worker_passed(void *arg, int fd, const struct proxy_header *header)
{
    struct worker *worker = arg;
    struct http_accepted accepted = {.fd = fd,
                                     .plain = is_unix_socket(fd),
                                     .https = header->https,
                                     .unknown = !header->has_source,
                                     .address = header->has_source ? &header->source : NULL};
    http_server_accept_as(worker->http, &accepted);
}

static void worker_gate_refused(void *arg, const struct net_address *peer, int err)
{
    struct worker *worker = arg;
    char text[NET_ADDRESS_TEXT];
    uint64_t left_out;
    if (err == ERR_CLOSED || !log_limiter_pass(&worker->gate_refusals, loop_now_ms(worker->loop), &left_out))
        return; // a check of the port
    net_address_format(peer, text);
    log_warn(worker->logger, "a trusted proxy sent no header of the PROXY protocol", LOG_S("peer", text),
             LOG_S("reason", err == ERR_RATE ? "too many connections wait for theirs" : error_text(err)),
             LOG_I("not_logged", left_out));
}

static void worker_accepted(void *arg, int fd)
{
    struct worker *worker = arg;
    struct sockaddr_storage name = {.ss_family = AF_UNSPEC};
    socklen_t len = sizeof name;
    struct net_address peer = {0};
    if (worker->gate && getpeername(fd, (struct sockaddr *)&name, &len) == 0)
        net_address_of((const struct sockaddr *)&name, &peer);
    if (worker->gate && net_ranges_has(worker->trusted, &peer)) {
        proxy_gate_accept(worker->gate, fd, &peer);
        return;
    }
    http_server_accept_as(worker->http, &(struct http_accepted){.fd = fd, .plain = is_unix_socket(fd)});
}

// Connections wait in the kernel's queue meanwhile; the listener tries again in a second.
static void worker_accept_failed(void *arg, int err)
{
    struct worker *worker = arg;
    struct rlimit files = {0};
    uint64_t left_out;
    metrics_add(worker->metrics, worker->index, METRIC_accept_failures_total, 1);
    if (!log_limiter_pass(&worker->accept_failures, loop_now_ms(worker->loop), &left_out))
        return;
    getrlimit(RLIMIT_NOFILE, &files);
    CLEANUP(free_ptr) char *reason = xasprintf("%s: %s", strerrorname_np(-err), strerror(-err));
    log_error(worker->logger, "connections cannot be accepted; trying again each second", LOG_S("reason", reason),
              LOG_S("cure", err == -EMFILE ? "let the server open more files, or lower connections_max" : ""),
              LOG_I("files_max", files.rlim_cur), LOG_I("not_logged", left_out));
}

static struct proxy_gate *worker_gate_new(struct worker *worker, const struct config *config)
{
    struct proxy_gate_options options = {
        .loop = worker->loop,
        .waiting_max = GATE_WAITING_MAX,
        .timeout_ms = GATE_TIMEOUT_MS,
        .passed = worker_passed,
        .refused = worker_gate_refused,
        .arg = worker,
    };
    return config->proxy_protocol ? proxy_gate_new(&options) : NULL;
}

static int worker_add_listener(struct worker *worker, int err)
{
    if (err)
        return err;
    listener_on_failure(worker->listeners[worker->listener_count++], worker_accept_failed);
    return 0;
}

int worker_listen(struct worker *worker, const char *address)
{
    if (worker->listener_count == WORKER_LISTENERS_MAX)
        return ERR_INVALID;
    struct listener **place = &worker->listeners[worker->listener_count];
    return worker_add_listener(worker, listener_new(worker->loop, address, worker_accepted, worker, place));
}

int worker_listen_fd(struct worker *worker, int fd)
{
    if (worker->listener_count == WORKER_LISTENERS_MAX)
        return ERR_INVALID;
    struct listener **place = &worker->listeners[worker->listener_count];
    return worker_add_listener(worker, listener_from_fd(worker->loop, fd, worker_accepted, worker, place));
}

unsigned worker_last_port(const struct worker *worker)
{
    return listener_port(worker->listeners[worker->listener_count - 1]);
}

int worker_init(struct worker *worker, unsigned index, const struct worker_options *options)
{
    const struct config *config = options->config;

    *worker = (struct worker){
        .server = options->server,
        .index = index,
        .logger = options->logger,
        .metrics = options->metrics,
        .trusted = options->trusted,
        .worker_count = options->worker_count,
        .budget = options->budget,
        .settings = settings_ref(options->settings),
    };
    int err = loop_new(&worker->loop);
    if (err)
        return err;
    struct fanout_options fanout = {
        .loop = worker->loop,
        .store = options->store,
        .pool = options->pool,
        .metrics = options->metrics,
        .shard = index,
        .budget = options->budget,
        .cache_bytes = cache_bytes_of(options->settings, options->budget, options->worker_count),
        .regex_steps = options->settings->limits.regex_steps,
        .live = worker_live,
        .live_arg = options->hub,
    };
    worker->fanout = fanout_new(&fanout);
    struct api_options api = {
        .routes = api_routes,
        .loop = worker->loop,
        .store = options->store,
        .auth = options->auth,
        .hub = options->hub,
        .fanout = worker->fanout,
        .metrics = options->metrics,
        .budget = options->budget,
        .shard = index,
        .logger = options->logger,
        .listen = config->listen.items,
        .listen_count = config->listen.count,
        .base_path = options->base_path ? options->base_path : "",
        .insecure = config->insecure,
        .backup_dir = options->backup_dir,
        .collect = options->collect,
        .collect_arg = options->collect_arg,
    };
    worker->api = api_new(&api, &worker->settings->limits);
    hub_attach(options->hub, worker->loop, &api_hub_listener, worker->api);
    struct http_app app = api_http_app(worker->api);
    struct http_limits limits = http_limits_of(options);
    worker->http = http_server_new(worker->loop, &app, &limits, options->tls);
    http_server_trust(worker->http, options->trusted);
    worker->gate = worker_gate_new(worker, config);
    return 0;
}

static void *worker_run(void *arg)
{
    struct worker *worker = arg;
    loop_run(worker->loop);
    return NULL;
}

int worker_start(struct worker *worker)
{
    if (pthread_create(&worker->thread, NULL, worker_run, worker) != 0)
        return ERR_INTERNAL;
    worker->started = true;
    return 0;
}

// --- Orders from the main thread

struct worker_order {
    struct mail mail;
    struct worker *worker;
    struct settings *settings;
    struct loop *main_loop;
    void (*drained)(struct server *server);
};

static void order_report(struct mail *mail)
{
    struct worker_order *order = CONTAINER_OF(mail, struct worker_order, mail);
    order->drained(order->worker->server);
    free(order);
}

static void worker_drained(struct worker *worker)
{
    struct worker_order *order = TAKE_PTR(worker->draining);
    if (!order)
        return;
    order->mail.deliver = order_report;
    loop_post(order->main_loop, &order->mail);
}

static bool worker_quiet(const struct worker *worker)
{
    return http_server_connections(worker->http) == 0 && api_streams(worker->api) == 0;
}

// Something has gone. Those that are left only say goodbye: most peers do so at once, the others are not waited for.
static void worker_look(void *arg)
{
    struct worker *worker = arg;
    if (!worker->draining || !worker_quiet(worker))
        return;
    if (http_server_open(worker->http) == 0)
        worker_drained(worker);
    else if (!timer_active(worker->goodbye))
        timer_start(worker->goodbye, GOODBYE_MS);
}

static void worker_no_goodbye(void *arg)
{
    struct worker *worker = arg;
    if (worker_quiet(worker)) // else one has become a stream meanwhile
        worker_drained(worker);
}

static void order_drain(struct mail *mail)
{
    struct worker_order *order = CONTAINER_OF(mail, struct worker_order, mail);
    struct worker *worker = order->worker;

    if (!worker->http) { // closed before it was read
        free(order);
        return;
    }
    for (unsigned i = 0; i < worker->listener_count; i++)
        listener_free(&worker->listeners[i]);
    worker->listener_count = 0;
    proxy_gate_free(&worker->gate);
    worker->draining = order;
    worker->goodbye = timer_new(worker->loop, worker_no_goodbye, worker);
    api_drain(worker->api, worker_look, worker);
    http_server_drain(worker->http, worker_look, worker);
}

void worker_drain(struct worker *worker, struct loop *main_loop, void (*drained)(struct server *server))
{
    struct worker_order *order = xcalloc(1, sizeof *order);
    *order = (struct worker_order){
        .mail.deliver = order_drain, .worker = worker, .main_loop = main_loop, .drained = drained};
    loop_post(worker->loop, &order->mail);
}

static void order_settings(struct mail *mail)
{
    struct worker_order *order = CONTAINER_OF(mail, struct worker_order, mail);
    struct worker *worker = order->worker;
    struct settings *former = worker->settings;
    worker->settings = TAKE_PTR(order->settings);
    api_set_limits(worker->api, &worker->settings->limits);
    fanout_set_cache_bytes(worker->fanout, cache_bytes_of(worker->settings, worker->budget, worker->worker_count));
    fanout_set_regex_steps(worker->fanout, worker->settings->limits.regex_steps);
    settings_unref(&former);
    free(order);
}

void worker_set(struct worker *worker, struct settings *settings)
{
    struct worker_order *order = xcalloc(1, sizeof *order);
    *order =
        (struct worker_order){.mail.deliver = order_settings, .worker = worker, .settings = settings_ref(settings)};
    loop_post(worker->loop, &order->mail);
}

void worker_stop(struct worker *worker)
{
    if (!worker->started)
        return;
    loop_stop(worker->loop);
    pthread_join(worker->thread, NULL);
    worker->started = false;
}

void worker_close(struct worker *worker)
{
    for (unsigned i = 0; i < worker->listener_count; i++)
        listener_free(&worker->listeners[i]);
    worker->listener_count = 0;
    proxy_gate_free(&worker->gate);
    timer_free(&worker->goodbye);
    free(TAKE_PTR(worker->draining));
    if (worker->api)
        api_close(worker->api);
    http_server_free(&worker->http);
}

void worker_release(struct worker *worker)
{
    api_free(&worker->api);
    settings_unref(&worker->settings);
    fanout_free(&worker->fanout);
    loop_free(&worker->loop);
}
