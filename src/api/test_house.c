#include "api/test_house.h"

static void live(void *arg, int64_t row, struct execution_live *ret)
{
    hub_live(arg, row, ret);
}

static void tell(void *arg, const struct hub_news *news)
{
    broadcast_tell(arg, news);
}

static void collect(void *arg)
{
    (void)arg;
}

static void publish(void *arg, const struct store_change *changes, size_t count)
{
    struct house *house = arg;
    fanout_publish(&house->fanout, 1, changes, count);
    if (house->api)
        api_publish(&house->api, 1, changes, count);
}

static void open_rooms(struct house *house)
{
    house->metrics = metrics_new(1, NULL);
    house->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    const struct auth_options auth = {.failed_logins_max = 100, .tickets_max = HOUSE_TICKETS_MAX};
    assert_int_equal(auth_new(house->store, &auth, &house->auth), 0);
    assert_int_equal(pool_new(1, 16, &house->pool), 0);
    house->news = broadcast_new(sizeof(struct hub_news));
    house->followers = places_new();
    house->hub = hub_new(&(struct hub_options){.lease_ms = 60000,
                                               .lost_seal_ms = 60000,
                                               .store = house->store,
                                               .metrics = house->metrics,
                                               .logger = &house->logger,
                                               .tell = tell,
                                               .tell_arg = house->news});
    house->fanout = fanout_new(&(struct fanout_options){.loop = house->loop,
                                                        .store = house->store,
                                                        .pool = house->pool,
                                                        .metrics = house->metrics,
                                                        .cache_bytes = 1024 * 1024,
                                                        .regex_steps = 1000,
                                                        .live = live,
                                                        .live_arg = house->hub});
    assert_int_equal(store_watch(house->store, publish, house), 0);
}

void house_open(struct house *house, struct loop *loop, struct store *store, const struct route *routes)
{
    static char *none[] = {NULL};
    *house = (struct house){.loop = loop, .store = store};
    open_rooms(house);
    house->limits = (struct api_limits){.message_max = HOUSE_MESSAGE_MAX,
                                        .followers_max = HOUSE_FOLLOWERS_MAX,
                                        .open_executions_max = 10,
                                        .regex_steps = 1000,
                                        .ping_ms = 60000,
                                        .pong_timeout_ms = 60000,
                                        .allowed_hosts = none,
                                        .cors_origins = none};
    house->api = api_new(&(struct api_options){.routes = routes,
                                               .loop = loop,
                                               .store = store,
                                               .auth = house->auth,
                                               .hub = house->hub,
                                               .followers = house->followers,
                                               .fanout = house->fanout,
                                               .metrics = house->metrics,
                                               .logger = &house->logger,
                                               .base_path = "",
                                               .backup_dir = "/nowhere",
                                               .patience_ms = 60000,
                                               .collect = collect},
                         &house->limits);
    broadcast_join(house->news, loop, api_hub_news, house->api);
    struct http_app app = api_http_app(house->api);
    const struct http_limits limits = {.url_max = 8192,
                                       .headers_max = 16384,
                                       .body_max = 65536,
                                       .connections_max = 100,
                                       .header_timeout_ms = 60000,
                                       .idle_timeout_ms = 60000,
                                       .send_timeout_ms = 60000};
    house->http = http_server_new(loop, &app, &limits, NULL);
}

void house_close(struct house *house)
{
    api_close(house->api);
    http_server_free(&house->http);
    pool_free(&house->pool);
    loop_turns(house->loop, 2);
    api_free(&house->api);
    fanout_free(&house->fanout);
    hub_free(&house->hub);
    places_free(&house->followers);
    auth_free(&house->auth);
    metrics_free(&house->metrics);
    broadcast_free(&house->news);
}

void house_connect(struct house *house, struct peer *peer)
{
    http_server_accept(house->http, &(struct http_accepted){.fd = peer_open(peer, house->loop)});
}
