#include "auth/auth.h"
#include "util/clock.h"
#include "util/testing.h"

static void roles_have_names_that_parse_back(void **state)
{
    (void)state;
    for (enum role role = ROLE_VIEWER; role < ROLE_COUNT; role++) {
        enum role parsed = ROLE_NONE;
        assert_true(role_parse(str_of(role_name(role)), &parsed));
        assert_int_equal(parsed, role);
    }
    enum role untouched = ROLE_ADMIN;
    assert_false(role_parse(STR("none"), &untouched));
    assert_false(role_parse(STR("Admin"), &untouched));
    assert_int_equal(untouched, ROLE_ADMIN);
}

static void each_role_may_do_what_the_table_says_and_no_more(void **state)
{
    (void)state;
    static const struct {
        enum action action;
        const char *allowed; // none viewer user service admin operator
    } cases[] = {
        {ACTION_READ, "-vusao"},  {ACTION_SUBMIT, "--usao"}, {ACTION_CANCEL, "--usao"},  {ACTION_WRITE, "--usao"},
        {ACTION_PURGE, "----ao"}, {ACTION_KEYS, "----ao"},   {ACTION_OPERATE, "-----o"}, {ACTION_PUBLIC, "nvusao"},
    };
    assert_int_equal(ARRAY_LEN(cases), ACTION_COUNT);
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        for (enum role role = ROLE_NONE; role < ROLE_COUNT; role++)
            assert_int_equal(role_may(role, cases[i].action), cases[i].allowed[role] != '-');
}

static void user_sees_only_what_it_owns_and_others_the_account(void **state)
{
    (void)state;
    struct principal user = {.role = ROLE_USER, .account = 1, .user = "key_a"};
    struct principal viewer = {.role = ROLE_VIEWER, .account = 1};
    struct execution own = {.account = 1, .owner = (char *)"key_a"};
    struct execution others = {.account = 1, .owner = (char *)"key_b"};
    struct execution nobodys = {.account = 1};
    struct execution elsewhere = {.account = 2, .owner = (char *)"key_a"};
    assert_true(principal_owns(&user, &own));
    assert_false(principal_owns(&user, &others));
    assert_false(principal_owns(&user, &nobodys));
    assert_false(principal_owns(&user, &elsewhere));
    assert_true(principal_owns(&viewer, &others));
    assert_true(principal_owns(&viewer, &nobodys));
    assert_false(principal_owns(&viewer, &elsewhere));
}

static void keys_are_long_url_safe_and_never_the_same(void **state)
{
    (void)state;
    char key[API_KEY_LEN + 1], other[API_KEY_LEN + 1];
    uint8_t hash[32], other_hash[32], expected[32];
    for (int i = 0; i < 200; i++) {
        api_key_make(key, hash);
        api_key_make(other, other_hash);
        assert_int_equal(strlen(key), API_KEY_LEN);
        assert_true(str_starts(str_of(key), STR("rnl_")));
        assert_int_equal(strspn(key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"), API_KEY_LEN);
        assert_string_not_equal(key, other);
        sha256(key, API_KEY_LEN, expected);
        assert_memory_equal(hash, expected, sizeof(hash));
    }
}

// --- Tickets, and what is no credential at all: the store is not asked for these.

struct answer {
    struct auth_check check;
    bool done;
};

static void answered(struct auth_check *check)
{
    CONTAINER_OF(check, struct answer, check)->done = true;
}

static int ask(struct auth *auth, const char *credential, bool ticket_allowed, const char *peer, struct principal *ret)
{
    struct answer answer = {.done = false};
    auth_check(auth, &answer.check, NULL, str_of(credential), ticket_allowed, peer, answered);
    assert_true(answer.done);
    if (ret)
        *ret = answer.check.principal;
    return answer.check.err;
}

static int start(void **state)
{
    struct auth *auth;
    const struct auth_options options = {.failed_logins_max = 3};
    int err = auth_new(NULL, &options, &auth);
    *state = auth;
    return err;
}

static int stop(void **state)
{
    struct auth *auth = *state;
    auth_free(&auth);
    return 0;
}

static void ticket_is_good_once(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal principal = {.role = ROLE_USER, .account = 4, .user = "key_x"}, found;
    assert_int_equal(auth_ticket_make(*state, &principal, ticket), 0);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", &found), 0);
    assert_int_equal(found.account, 4);
    assert_string_equal(found.user, "key_x");
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", &found), ERR_UNAUTHORIZED);
    assert_int_equal(found.role, ROLE_NONE);
}

static void ticket_is_refused_where_only_keys_are_allowed(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal principal = {.role = ROLE_VIEWER, .account = 4};
    assert_int_equal(auth_ticket_make(*state, &principal, ticket), 0);
    assert_int_equal(ask(*state, ticket, false, "127.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), 0);
}

static void ticket_of_a_revoked_or_expired_key_is_refused(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal revoked = {.role = ROLE_VIEWER, .account = 4, .key_row = 9};
    struct principal expired = {.role = ROLE_VIEWER, .account = 4, .expires_ms = (uint64_t)clock_real_ms() - 1};
    uint64_t generation = auth_generation(*state);
    assert_int_equal(auth_ticket_make(*state, &revoked, ticket), 0);
    assert_false(auth_key_revoked(*state, 9));
    auth_revoked(*state, 9);
    assert_true(auth_key_revoked(*state, 9));
    assert_false(auth_key_revoked(*state, 10));
    assert_true(auth_generation(*state) > generation);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    assert_int_equal(auth_ticket_make(*state, &expired, ticket), 0);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), ERR_UNAUTHORIZED);
}

static void too_many_failures_slow_down_their_address_alone(void **state)
{
    for (int i = 0; i < 3; i++)
        assert_int_equal(ask(*state, "nonsense", false, "10.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    assert_int_equal(ask(*state, "nonsense", false, "10.0.0.1:2", NULL), ERR_RATE);
    assert_int_equal(ask(*state, "nonsense", false, "10.0.0.2:1", NULL), ERR_UNAUTHORIZED);
}

static void sending_no_credential_is_no_failed_login(void **state)
{
    for (int i = 0; i < 10; i++)
        assert_int_equal(ask(*state, "", true, "10.0.0.1:1", NULL), ERR_UNAUTHORIZED);
    assert_int_equal(ask(*state, "nonsense", true, "10.0.0.1:1", NULL), ERR_UNAUTHORIZED);
}

static void outstanding_tickets_are_bounded(void **state)
{
    char ticket[API_KEY_LEN + 1];
    struct principal principal = {.role = ROLE_VIEWER};
    for (int i = 0; i < 100000; i++)
        assert_int_equal(auth_ticket_make(*state, &principal, ticket), 0);
    char more[API_KEY_LEN + 1];
    assert_int_equal(auth_ticket_make(*state, &principal, more), ERR_RATE);
    assert_int_equal(ask(*state, ticket, true, "127.0.0.1:1", NULL), 0);
    assert_int_equal(auth_ticket_make(*state, &principal, more), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(roles_have_names_that_parse_back),
        cmocka_unit_test(each_role_may_do_what_the_table_says_and_no_more),
        cmocka_unit_test(user_sees_only_what_it_owns_and_others_the_account),
        cmocka_unit_test(keys_are_long_url_safe_and_never_the_same),
        cmocka_unit_test_setup_teardown(ticket_is_good_once, start, stop),
        cmocka_unit_test_setup_teardown(ticket_is_refused_where_only_keys_are_allowed, start, stop),
        cmocka_unit_test_setup_teardown(ticket_of_a_revoked_or_expired_key_is_refused, start, stop),
        cmocka_unit_test_setup_teardown(too_many_failures_slow_down_their_address_alone, start, stop),
        cmocka_unit_test_setup_teardown(sending_no_credential_is_no_failed_login, start, stop),
        cmocka_unit_test_setup_teardown(outstanding_tickets_are_bounded, start, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
