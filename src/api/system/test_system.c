// The server's own routes, against a store that can do as little as one may.
#include "api/routes.h"
#include "api/test_api.h"

static int set_up(void **state)
{
    return fixture_new(state, api_routes);
}

static void a_backup_of_a_store_that_makes_none_is_refused_and_says_why(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    struct key key = key_new(it);
    char request[512];
    snprintf(request, sizeof(request),
             "POST /api/v1/backup HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer %s\r\n"
             "Content-Type: application/json\r\nContent-Length: 15\r\n\r\n{\"path\":\"x.db\"}",
             key.secret);
    house_connect(&it->house, &peer);
    peer_send_text(&peer, request);
    answer_key_of(it, &key, ROLE_OPERATOR);
    stub_answer(take(it, STORE_KEY_USED), 0);
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
    house_connect(&it->house, &peer);
    peer_send_text(&peer, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stub_answer(take(it, STORE_COUNT_OPEN), 0);
    peer_wait_text(&peer, "{\"status\":\"ready\"}");
    peer_send_text(&peer, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stub_answer(take(it, STORE_COUNT_OPEN), ERR_CORRUPT);
    peer_wait_text(&peer, "the store cannot be read");
    peer_close(&peer);
}

static _Atomic uint64_t commit_age_ns;

static void slow_stats(struct store *store, struct store_stats *ret)
{
    (void)store;
    ret->commit_age_ns = commit_age_ns;
}

static void a_store_whose_commit_does_not_end_is_not_ready(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    static const struct store_vtable slow = {.name = "slow", .submit = stub_submit, .stats = slow_stats};
    it->store.base.vtable = &slow;
    house_connect(&it->house, &peer);
    commit_age_ns = STORE_COMMIT_AGE_MAX_NS;
    peer_send_text(&peer, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stub_answer(take(it, STORE_COUNT_OPEN), 0);
    peer_wait_text(&peer, "{\"status\":\"ready\"}");
    commit_age_ns = STORE_COMMIT_AGE_MAX_NS + 1000000000;
    peer_send_text(&peer, "GET /ready HTTP/1.1\r\nHost: localhost\r\n\r\n");
    stub_answer(take(it, STORE_COUNT_OPEN), 0);
    peer_wait_text(&peer, "HTTP/1.1 503");
    peer_wait_text(&peer, "the store does not write: a commit waits for 31 s");
    peer_close(&peer);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_store_whose_commit_does_not_end_is_not_ready, set_up, fixture_free),
        cmocka_unit_test_setup_teardown(a_backup_of_a_store_that_makes_none_is_refused_and_says_why, set_up,
                                        fixture_free),
        cmocka_unit_test_setup_teardown(a_store_without_figures_is_ready_when_it_answers, set_up, fixture_free),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
