// Accounts by their routes, over a real store.
#include "api/keys/keys.h"
#include "api/test_live_house.h"

static int find_account(struct live_house *it, const char *name, struct account *ret)
{
    struct store_account_list list = {.op.kind = STORE_ACCOUNT_LIST, .name = str_of(name)};
    int err = fixture_run(it->fixture, &list.op);
    *ret = (struct account){0};
    if (err == 0)
        *ret = list.ret_accounts[0];
    store_op_release(&list.op);
    return err;
}

static void an_account_is_made_once_and_its_name_is_never_used_again(void **state)
{
    struct live_house *it = *state;
    const char *root = live_key(it, it->account, ROLE_OPERATOR);
    struct account account;
    assert_int_equal(SEND(it, root, "POST /api/v1/accounts", "{\"name\":\"new\"}"), 201);
    assert_string_equal(live_text(it, "name"), "new");
    assert_true(json_is_false(live_json(it, "suspended")));
    assert_true(json_is_null(live_json(it, "suspended_at")));
    assert_int_equal(find_account(it, "new", &account), 0);
    assert_int_equal(SEND(it, root, "POST /api/v1/accounts", "{\"name\":\"new\"}"), 409);
    assert_refused(it, "conflict", "there is such an account already");
    assert_int_equal(ASK(it, root, "DELETE /api/v1/accounts/new"), 200);
    assert_string_equal(live_text(it, "name"), "new");
    assert_true(json_is_true(live_json(it, "deleted")));
    assert_int_equal(find_account(it, "new", &account), ERR_EXPIRED);
    assert_int_equal(SEND(it, root, "POST /api/v1/accounts", "{\"name\":\"new\"}"), 410);
    assert_refused(it, "expired", ACCOUNT_GONE);
    assert_int_equal(ASK(it, root, "GET /api/v1/accounts/new"), 410);
}

static void none_but_operators_see_accounts(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN);
    struct account account;
    assert_int_equal(ASK(it, admin, "GET /api/v1/accounts"), 403);
    assert_int_equal(ASK(it, admin, "GET /api/v1/accounts/ours"), 403);
    assert_int_equal(SEND(it, admin, "POST /api/v1/accounts", "{\"name\":\"new\"}"), 403);
    assert_int_equal(SEND(it, admin, "PATCH /api/v1/accounts/ours", "{\"suspended\":true}"), 403);
    assert_int_equal(ASK(it, admin, "DELETE /api/v1/accounts/ours"), 403);
    assert_int_equal(find_account(it, "new", &account), ERR_NOT_FOUND);
    assert_int_equal(find_account(it, "ours", &account), 0);
    assert_int_equal(account.suspended_ms, 0);
}

static void accounts_are_listed_as_they_were_made_page_by_page(void **state)
{
    struct live_house *it = *state;
    const char *root = live_key(it, it->account, ROLE_OPERATOR);
    static const char *const names[] = {"zeta", "beta", "eta"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++)
        fixture_account(it->fixture, names[i]);
    assert_int_equal(ASK(it, root, "GET /api/v1/accounts?limit=3"), 200);
    assert_int_equal(json_array_size(live_json(it, "accounts")), 3);
    assert_string_equal(live_text(it, "accounts.0.name"), "ours");
    assert_string_equal(live_text(it, "accounts.1.name"), "zeta");
    assert_string_equal(live_text(it, "accounts.2.name"), "beta");
    CLEANUP(free_ptr) char *next = xasprintf("GET /api/v1/accounts?limit=3&cursor=%s", live_text(it, "next_cursor"));
    assert_int_equal(ASK(it, root, next), 200);
    assert_int_equal(json_array_size(live_json(it, "accounts")), 1);
    assert_string_equal(live_text(it, "accounts.0.name"), "eta");
    assert_false(live_has(it, "next_cursor") && !json_is_null(live_json(it, "next_cursor")));
    assert_int_equal(ASK(it, root, "GET /api/v1/accounts?cursor=1"), 400);
    assert_refused(it, "bad_cursor", "");
}

static void a_suspended_accounts_keys_are_refused_until_it_is_resumed(void **state)
{
    struct live_house *it = *state;
    const char *root = live_key(it, it->account, ROLE_OPERATOR);
    const char *theirs = live_key(it, fixture_account(it->fixture, "theirs"), ROLE_ADMIN);
    struct account account;
    assert_int_equal(ASK(it, theirs, "GET /api/v1/executions"), 200);
    assert_int_equal(SEND(it, root, "PATCH /api/v1/accounts/theirs", "{\"suspended\":true}"), 200);
    assert_true(json_is_true(live_json(it, "suspended")));
    assert_true(json_is_string(live_json(it, "suspended_at")));
    assert_int_equal(find_account(it, "theirs", &account), 0);
    assert_true(account.suspended_ms > 0);
    assert_int_equal(ASK(it, theirs, "GET /api/v1/executions"), 403);
    assert_refused(it, "account_suspended", "");
    assert_int_equal(SEND(it, root, "PATCH /api/v1/accounts/theirs", "{\"suspended\":false}"), 200);
    assert_int_equal(ASK(it, theirs, "GET /api/v1/executions"), 200);
    assert_int_equal(ASK(it, root, "GET /api/v1/accounts/theirs"), 200);
    assert_true(json_is_null(live_json(it, "suspended_at")));
}

static void the_last_operators_account_stays(void **state)
{
    struct live_house *it = *state;
    const char *root = live_key(it, it->account, ROLE_OPERATOR);
    struct account account;
    assert_int_equal(SEND(it, root, "PATCH /api/v1/accounts/ours", "{\"suspended\":true}"), 409);
    assert_refused(it, "last_operator", "");
    assert_int_equal(ASK(it, root, "DELETE /api/v1/accounts/ours"), 409);
    assert_refused(it, "last_operator", "");
    assert_int_equal(ASK(it, root, "DELETE /api/v1/accounts/" ACCOUNT_DEFAULT), 409);
    assert_refused(it, "conflict", "cannot be deleted");
    assert_int_equal(find_account(it, "ours", &account), 0);
    assert_int_equal(account.suspended_ms, 0);
}

static void an_account_goes_with_what_it_holds_only_if_that_was_said(void **state)
{
    struct live_house *it = *state;
    const char *root = live_key(it, it->account, ROLE_OPERATOR);
    int64_t other = fixture_account(it->fixture, "theirs");
    const char *theirs = live_key(it, other, ROLE_ADMIN);
    struct account account;
    fixture_create(it->fixture, other, "e", STATUS_RUNNING);
    assert_int_equal(ASK(it, root, "DELETE /api/v1/accounts/theirs"), 409);
    assert_refused(it, "conflict", "purge=true");
    assert_int_equal(find_account(it, "theirs", &account), 0);
    assert_int_equal(ASK(it, theirs, "GET /api/v1/executions/e"), 200);
    assert_int_equal(ASK(it, root, "DELETE /api/v1/accounts/theirs?purge=true"), 200);
    assert_int_equal(find_account(it, "theirs", &account), ERR_EXPIRED);
    assert_int_equal(ASK(it, theirs, "GET /api/v1/executions/e"), 401); // its keys went with it
}

static void a_name_that_can_be_no_accounts_is_not_found(void **state)
{
    struct live_house *it = *state;
    const char *root = live_key(it, it->account, ROLE_OPERATOR);
    static const char *const names[] = {"none", "-a", "a%2Fb", "a%00"};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        CLEANUP(free_ptr) char *get = xasprintf("GET /api/v1/accounts/%s", names[i]);
        CLEANUP(free_ptr) char *patch = xasprintf("PATCH /api/v1/accounts/%s", names[i]);
        CLEANUP(free_ptr) char *remove = xasprintf("DELETE /api/v1/accounts/%s", names[i]);
        assert_int_equal(ASK(it, root, get), 404);
        assert_refused(it, "not_found", NO_SUCH_ACCOUNT);
        assert_int_equal(SEND(it, root, patch, "{\"suspended\":true}"), 404);
        assert_int_equal(ASK(it, root, remove), 404);
    }
    CLEANUP(free_ptr) char *endless = xasprintf("GET /api/v1/accounts/a%0*d", ACCOUNT_NAME_MAX, 1);
    assert_int_equal(ASK(it, root, endless), 404);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(an_account_is_made_once_and_its_name_is_never_used_again),
        LIVE_TEST(none_but_operators_see_accounts),
        LIVE_TEST(accounts_are_listed_as_they_were_made_page_by_page),
        LIVE_TEST(a_suspended_accounts_keys_are_refused_until_it_is_resumed),
        LIVE_TEST(the_last_operators_account_stays),
        LIVE_TEST(an_account_goes_with_what_it_holds_only_if_that_was_said),
        LIVE_TEST(a_name_that_can_be_no_accounts_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
