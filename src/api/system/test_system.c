// The server's own routes, against a store that can do as little as one may.
#include "api/api.h"
#include "api/routes.h"
#include "net/test_peer.h"
#include "store/store_stub.h"

struct fixture {
    struct store_stub store;
    struct loop *loop;
    struct metrics *metrics;
    struct logger logger;
    struct auth *auth;
    struct api_limits limits;
    struct api *api;
    struct http_server *http;
};

static void collect(void *arg)
{
    (void)arg;
}

static char *none[] = {NULL};

static int set_up(void **state)
{
    struct fixture *it = xcalloc(1, sizeof(*it));
    stub_init(&it->store);
    assert_int_equal(loop_new(&it->loop), 0);
    it->metrics = metrics_new(1);
    it->logger = (struct logger){.fd = -1, .min_level = LOG_ERROR};
    assert_int_equal(auth_new(&it->store.base, &(struct auth_options){.failed_logins_max = 100}, &it->auth), 0);
    it->limits = (struct api_limits){.allowed_hosts = none, .cors_origins = none};
    it->api = api_new(&(struct api_options){.routes = api_routes,
                                            .loop = it->loop,
                                            .store = &it->store.base,
                                            .auth = it->auth,
                                            .metrics = it->metrics,
                                            .logger = &it->logger,
                                            .base_path = "",
                                            .backup_dir = "/nowhere",
                                            .collect = collect},
                      &it->limits);
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

static int tear_down(void **state)
{
    struct fixture *it = *state;
    api_close(it->api);
    http_server_free(&it->http);
    loop_turns(it->loop, 2);
    assert_int_equal(it->store.count, 0);
    api_free(&it->api);
    loop_free(&it->loop);
    auth_free(&it->auth);
    metrics_free(&it->metrics);
    free(it);
    return 0;
}

static struct store_op *take(struct fixture *it, enum store_op_kind kind)
{
    for (int turns = 0; it->store.count == 0 && turns < 10000; turns++)
        loop_turns(it->loop, 1);
    return stub_take(&it->store, kind);
}

static void answer_key(struct fixture *it, const uint8_t *hash)
{
    struct store_key_find *find = CONTAINER_OF(take(it, STORE_KEY_FIND), struct store_key_find, op);
    find->ret_key = (struct api_key){
        .row = 1, .account = 3, .key_id = xstrdup("key_1"), .name = xstrdup(""), .role = ROLE_OPERATOR};
    memcpy(find->ret_key.hash, hash, sizeof(find->ret_key.hash));
    stub_answer(&find->op, 0);
    stub_answer(take(it, STORE_KEY_USED), 0);
}

static void a_backup_of_a_store_that_makes_none_is_refused_and_says_why(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    char secret[API_KEY_LEN + 1], request[512];
    uint8_t hash[32];
    api_key_make(secret, hash);
    snprintf(request, sizeof(request),
             "POST /api/v1/backup HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
             "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"path\":\"x.db\"}",
             secret);
    http_server_accept(it->http, &(struct http_accepted){.fd = peer_open(&peer, it->loop)});
    peer_send_text(&peer, request);
    answer_key(it, hash);
    peer_wait_text(&peer, "HTTP/1.1 501");
    peer_wait_text(&peer,
                   "{\"error\":{\"code\":\"unsupported\",\"message\":\"this server's store (stub) makes no backups; "
                   "use the tools of that store\"");
    peer_close(&peer);
}

static void a_store_without_figures_is_ready_when_it_answers(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    http_server_accept(it->http, &(struct http_accepted){.fd = peer_open(&peer, it->loop)});
    peer_send_text(&peer, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stub_answer(take(it, STORE_COUNT_OPEN), 0);
    peer_wait_text(&peer, "{\"status\":\"ready\"}");
    peer_send_text(&peer, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stub_answer(take(it, STORE_COUNT_OPEN), ERR_CORRUPT);
    peer_wait_text(&peer, "the store cannot be read");
    peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_backup_of_a_store_that_makes_none_is_refused_and_says_why, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_store_without_figures_is_ready_when_it_answers, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
