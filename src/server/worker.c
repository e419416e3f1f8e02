#include "server/worker.h"

#include <fcntl.h>

#include "net/listener.h"
#include "server/systemd.h"

#define GOODBYE_MS 1000

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
    };
}

int worker_init(struct worker *worker, unsigned index, const struct worker_options *options)
{
    const struct config *config = options->config;

    *worker = (struct worker){
        .server = options->server,
        .index = index,
        .worker_count = options->worker_count,
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
        .cache_bytes = options->settings->cache_bytes / options->worker_count,
        .regex_steps = options->settings->limits.regex_steps,
        .live = worker_live,
        .live_arg = options->hub,
    };
    worker->fanout = fanout_new(&fanout);
    struct api_options api = {
        .loop = worker->loop,
        .store = options->store,
        .auth = options->auth,
        .hub = options->hub,
        .fanout = worker->fanout,
        .metrics = options->metrics,
        .shard = index,
        .logger = options->logger,
        .listen_address = config->listen,
        .collect = options->collect,
        .collect_arg = options->collect_arg,
    };
    worker->api = api_new(&api, &worker->settings->limits);
    hub_attach(options->hub, worker->loop, &api_hub_listener, worker->api);
    struct http_app app = api_http_app(worker->api);
    struct http_limits limits = http_limits_of(options);
    worker->http = http_server_new(worker->loop, &app, &limits, options->tls);
    return 0;
}

static void worker_accepted(void *arg, int fd)
{
    struct worker *worker = arg;
    http_server_accept(worker->http, fd);
}

int worker_listen(struct worker *worker, const char *address, unsigned inherited)
{
    for (unsigned i = 0; i < MIN(inherited, WORKER_LISTENERS_MAX); i++) {
        int fd = fcntl(SYSTEMD_FIRST_FD + (int)i, F_DUPFD_CLOEXEC, 0);
        int err = fd < 0 ? ERR_IO : listener_from_fd(worker->loop, fd, worker_accepted, worker, &worker->listeners[i]);
        if (err)
            return err;
        worker->listener_count++;
    }
    if (inherited)
        return 0;
    int err = listener_new(worker->loop, address, worker_accepted, worker, &worker->listeners[0]);
    if (err == 0)
        worker->listener_count = 1;
    return err;
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
    fanout_set_cache_bytes(worker->fanout, worker->settings->cache_bytes / worker->worker_count);
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
