// For tests of the interface: a real HTTP server on socket pairs, all rooms behind it, and a store that answers when
// the test says so.
#pragma once

#include "api/api.h"
#include "api/route.h"
#include "net/test_peer.h"
#include "store/store_stub.h"

#define ACCOUNT 3
#define ROW     7

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct metrics *metrics;
    struct logger logger;
    struct auth *auth;
    struct hub *hub;
    struct pool *pool;
    struct fanout *fanout;
    struct api_limits limits;
    struct api *api;
    struct http_server *http;
    int64_t keys;
    uint64_t epoch; // as the store has it
};

struct key {
    char secret[API_KEY_LEN + 1];
    uint8_t hash[32];
    int64_t row;
};

UNUSED static void live(void *arg, int64_t row, struct execution_live *ret)
{
    hub_live(arg, row, ret);
}

UNUSED static void collect(void *arg)
{
    (void)arg;
}

static char *none[] = {NULL};

// With a table of routes; its last row has a NULL pattern.
UNUSED static int fixture_new(void **state, const struct route *routes)
{
    struct fixture *it = xcalloc(1, sizeof(*it));
    stub_init(&it->store);
    assert_int_equal(loop_new(&it->loop), 0);
    it->metrics = metrics_new(1);
    it->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    assert_int_equal(auth_new(&it->store.base, &(struct auth_options){.failed_logins_max = 100}, &it->auth), 0);
    assert_int_equal(pool_new(1, 16, &it->pool), 0);
    it->hub = hub_new(&(struct hub_options){.lease_ms = 60000,
                                            .lost_seal_ms = 60000,
                                            .store = &it->store.base,
                                            .metrics = it->metrics,
                                            .logger = &it->logger});
    it->fanout = fanout_new(&(struct fanout_options){.loop = it->loop,
                                                     .store = &it->store.base,
                                                     .pool = it->pool,
                                                     .metrics = it->metrics,
                                                     .cache_bytes = 1024 * 1024,
                                                     .live = live,
                                                     .live_arg = it->hub});
    it->limits = (struct api_limits){.message_max = 10240,
                                     .followers_max = 10,
                                     .open_executions_max = 10,
                                     .regex_steps = 1000,
                                     .ping_ms = 60000,
                                     .pong_timeout_ms = 60000,
                                     .allowed_hosts = none,
                                     .cors_origins = none};
    it->api = api_new(&(struct api_options){.routes = routes,
                                            .loop = it->loop,
                                            .store = &it->store.base,
                                            .auth = it->auth,
                                            .hub = it->hub,
                                            .fanout = it->fanout,
                                            .metrics = it->metrics,
                                            .logger = &it->logger,
                                            .base_path = "",
                                            .collect = collect},
                      &it->limits);
    hub_attach(it->hub, it->loop, &api_hub_listener, it->api);
    struct http_app app = api_http_app(it->api);
    struct http_limits limits = {.url_max = 8192,
                                 .headers_max = 16384,
                                 .body_max = 65536,
                                 .connections_max = 100,
                                 .header_timeout_ms = 60000,
                                 .idle_timeout_ms = 60000,
                                 .send_timeout_ms = 60000};
    it->http = http_server_new(it->loop, &app, &limits, NULL);
    *state = it;
    return 0;
}

UNUSED static int fixture_free(void **state)
{
    struct fixture *it = *state;
    api_close(it->api);
    http_server_free(&it->http);
    pool_free(&it->pool);
    loop_turns(it->loop, 2);
    assert_int_equal(it->store.count, 0);
    api_free(&it->api);
    fanout_free(&it->fanout);
    loop_free(&it->loop);
    hub_free(&it->hub);
    auth_free(&it->auth);
    metrics_free(&it->metrics);
    free(it);
    return 0;
}

// --- The store's answers

UNUSED static struct store_op *take(struct fixture *it, enum store_op_kind kind)
{
    for (int turns = 0; it->store.count == 0 && turns < 10000; turns++)
        loop_turns(it->loop, 1);
    return stub_take(&it->store, kind);
}
#define TAKE(it, kind, type) CONTAINER_OF(take((it), (kind)), struct type, op)

UNUSED static void commit_something(struct fixture *it)
{
    struct store_update update = {.op.kind = STORE_UPDATE, .row = ROW};
    struct store_op *op = &update.op;
    store_versions_begin(&it->store.base, &op, 1);
    store_versions_end(&it->store.base, &op, 1);
}

UNUSED static struct key key_new(struct fixture *it)
{
    struct key key = {.row = ++it->keys};
    api_key_make(key.secret, key.hash);
    return key;
}

UNUSED static void answer_key(struct fixture *it, const struct key *key)
{
    struct store_key_find *find = TAKE(it, STORE_KEY_FIND, store_key_find);
    find->ret_key = (struct api_key){
        .row = key->row, .account = ACCOUNT, .key_id = xstrdup("key_1"), .name = xstrdup(""), .role = ROLE_SERVICE};
    memcpy(find->ret_key.hash, key->hash, sizeof(key->hash));
    stub_answer(&find->op, 0);
}

UNUSED static void answer_execution(struct fixture *it)
{
    struct store_get *get = TAKE(it, STORE_GET, store_get);
    get->ret_execution = (struct execution){.row = ROW,
                                            .account = ACCOUNT,
                                            .execution_id = xstrdup("e"),
                                            .status = it->epoch ? STATUS_RUNNING : STATUS_QUEUED,
                                            .restored_from = UINT64_MAX,
                                            .epoch = it->epoch};
    get->ret_version = store_version(&it->store.base, ROW);
    stub_answer(&get->op, 0);
}
