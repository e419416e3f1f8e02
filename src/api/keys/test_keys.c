// API keys and tickets by their routes, over a real store.
#include "api/keys/keys.h"
#include "api/test_live_house.h"
#include "util/clock.h"

#define DAY_MS ((int64_t)24 * 60 * 60 * 1000)

static struct api_key find_key(struct live_house *it, const char *secret)
{
    struct store_key_find find = {.op.kind = STORE_KEY_FIND};
    sha256(secret, strlen(secret), find.hash);
    assert_int_equal(fixture_run(it->fixture, &find.op), 0);
    return find.ret_key;
}

static size_t count_keys(struct live_house *it, int64_t account)
{
    struct store_key_list list = {.op.kind = STORE_KEY_LIST, .account = account};
    assert_int_equal(fixture_run(it->fixture, &list.op), 0);
    size_t count = list.ret_count;
    store_op_release(&list.op);
    return count;
}

static void end_account(struct live_house *it, const char *name, enum account_state state)
{
    struct store_account_change change = {.op.kind = STORE_ACCOUNT_CHANGE, .name = str_of(name), .state = state};
    assert_int_equal(fixture_run(it->fixture, &change.op), 0);
}

// --- Making

static void a_key_is_shown_once_and_kept_by_its_hash(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN);
    assert_int_equal(SEND(it, admin, "POST /api/v1/keys", "{\"name\":\"ci \\u00e9\",\"role\":\"service\"}"), 201);
    assert_string_equal(live_text(it, "name"), "ci \xc3\xa9");
    assert_string_equal(live_text(it, "role"), "service");
    assert_true(json_is_null(live_json(it, "expires_at")));
    assert_true(json_is_null(live_json(it, "last_used_at")));
    CLEANUP(free_ptr) char *secret = xstrdup(live_text(it, "key")), *id = xstrdup(live_text(it, "key_id"));
    assert_int_equal(strlen(secret), API_KEY_LEN);
    CLEANUP(api_key_release) struct api_key key = find_key(it, secret);
    assert_int_equal(key.account, it->account);
    assert_int_equal(key.role, ROLE_SERVICE);
    assert_string_equal(key.key_id, id);
    assert_int_equal(ASK(it, admin, "GET /api/v1/keys"), 200);
    assert_int_equal(json_array_size(live_json(it, "keys")), 2);
    assert_null(strstr(buf_cstr(&it->answer), secret));
    assert_int_equal(ASK(it, secret, "GET /api/v1/executions"), 200); // and it opens
}

static void a_key_ends_when_it_was_told_to(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN);
    int64_t before = clock_real_ms();
    assert_int_equal(
        SEND(it, admin, "POST /api/v1/keys", "{\"name\":\"a\",\"role\":\"viewer\",\"expires_at\":\"90d\"}"), 201);
    CLEANUP(api_key_release) struct api_key relative = find_key(it, live_text(it, "key"));
    assert_in_range(relative.expires_ms, before + 90 * DAY_MS, clock_real_ms() + 90 * DAY_MS);
    assert_int_equal(SEND(it, admin, "POST /api/v1/keys",
                          "{\"name\":\"b\",\"role\":\"viewer\",\"expires_at\":\"2100-01-01T00:00:00Z\"}"),
                     201);
    assert_string_equal(live_text(it, "expires_at"), "2100-01-01T00:00:00.000Z");
    CLEANUP(api_key_release) struct api_key absolute = find_key(it, live_text(it, "key"));
    assert_int_equal(absolute.expires_ms, 4102444800000);
}

static void a_key_that_would_have_ended_already_is_not_made(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN);
    assert_int_equal(SEND(it, admin, "POST /api/v1/keys",
                          "{\"name\":\"a\",\"role\":\"viewer\",\"expires_at\":\"2020-01-01T00:00:00Z\"}"),
                     422);
    assert_string_equal(live_text(it, "error.fields.0.name"), "expires_at");
    assert_int_equal(count_keys(it, it->account), 1);
}

static void no_key_makes_one_above_itself(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN), *service = live_key(it, it->account, ROLE_SERVICE);
    assert_int_equal(SEND(it, admin, "POST /api/v1/keys", "{\"name\":\"a\",\"role\":\"operator\"}"), 403);
    assert_refused(it, "forbidden", "a higher role than its own");
    assert_int_equal(SEND(it, service, "POST /api/v1/keys", "{\"name\":\"a\",\"role\":\"viewer\"}"), 403);
    assert_int_equal(count_keys(it, it->account), 2);
    assert_int_equal(SEND(it, admin, "POST /api/v1/keys", "{\"name\":\"a\",\"role\":\"admin\"}"), 201);
    assert_int_equal(count_keys(it, it->account), 3);
}

// --- Other accounts

static void an_operator_makes_lists_and_revokes_keys_of_another_account(void **state)
{
    struct live_house *it = *state;
    const char *root = live_key(it, it->account, ROLE_OPERATOR);
    int64_t other = fixture_account(it->fixture, "theirs");
    assert_int_equal(SEND(it, root, "POST /api/v1/keys", "{\"name\":\"a\",\"role\":\"admin\",\"account\":\"theirs\"}"),
                     201);
    CLEANUP(free_ptr) char *secret = xstrdup(live_text(it, "key"));
    CLEANUP(free_ptr) char *line = xasprintf("DELETE /api/v1/keys/%s?account=theirs", live_text(it, "key_id"));
    CLEANUP(api_key_release) struct api_key key = find_key(it, secret);
    assert_int_equal(key.account, other);
    assert_int_equal(count_keys(it, it->account), 1);
    assert_int_equal(ASK(it, root, "GET /api/v1/keys?account=theirs"), 200);
    assert_int_equal(json_array_size(live_json(it, "keys")), 1);
    assert_string_equal(live_text(it, "keys.0.key_id"), key.key_id);
    assert_int_equal(ASK(it, root, line), 200);
    CLEANUP(api_key_release) struct api_key revoked = find_key(it, secret);
    assert_true(revoked.revoked_ms > 0);
}

static void none_but_an_operator_names_an_account(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN);
    fixture_account(it->fixture, "theirs");
    // Its own, too: the answer must not tell which accounts there are.
    static const char *const accounts[] = {"theirs", "ours", "nobody's"};
    for (size_t i = 0; i < ARRAY_LEN(accounts); i++) {
        CLEANUP(free_ptr)
        char *body = xasprintf("{\"name\":\"a\",\"role\":\"viewer\",\"account\":\"%s\"}", accounts[i]);
        CLEANUP(free_ptr) char *list = xasprintf("GET /api/v1/keys?account=%s", accounts[i]);
        CLEANUP(free_ptr) char *revoke = xasprintf("DELETE /api/v1/keys/key_0?account=%s", accounts[i]);
        assert_int_equal(SEND(it, admin, "POST /api/v1/keys", body), 403);
        assert_refused(it, "forbidden", "only an operator may name an account");
        assert_int_equal(ASK(it, admin, list), 403);
        assert_int_equal(ASK(it, admin, revoke), 403);
    }
    assert_int_equal(count_keys(it, it->account), 1);
}

static void an_account_that_is_none_or_gone_is_said_to_be_that(void **state)
{
    struct live_house *it = *state;
    const char *root = live_key(it, it->account, ROLE_OPERATOR);
    fixture_account(it->fixture, "gone");
    end_account(it, "gone", ACCOUNT_DELETED);
    assert_int_equal(ASK(it, root, "GET /api/v1/keys?account=nobody"), 404);
    assert_refused(it, "not_found", NO_SUCH_ACCOUNT);
    assert_int_equal(ASK(it, root, "GET /api/v1/keys?account="), 404);
    assert_int_equal(ASK(it, root, "GET /api/v1/keys?account=gone"), 410);
    assert_refused(it, "expired", ACCOUNT_GONE);
    assert_int_equal(SEND(it, root, "POST /api/v1/keys", "{\"name\":\"a\",\"role\":\"viewer\",\"account\":\"gone\"}"),
                     410);
    assert_refused(it, "expired", ACCOUNT_GONE);
    assert_int_equal(ASK(it, root, "DELETE /api/v1/keys/key_0?account=gone"), 410);
    assert_refused(it, "expired", ACCOUNT_GONE);
}

// --- Renaming

static void a_key_gets_another_name_and_stays_what_it_is(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN);
    assert_int_equal(SEND(it, admin, "POST /api/v1/keys", "{\"name\":\"old\",\"role\":\"viewer\"}"), 201);
    CLEANUP(free_ptr) char *secret = xstrdup(live_text(it, "key")), *id = xstrdup(live_text(it, "key_id"));
    CLEANUP(free_ptr) char *line = xasprintf("PATCH /api/v1/keys/%s", id);
    assert_int_equal(SEND(it, admin, line, "{\"name\":\"hall \\u00e9\"}"), 200);
    assert_string_equal(live_text(it, "key_id"), id);
    assert_string_equal(live_text(it, "name"), "hall \xc3\xa9");
    CLEANUP(api_key_release) struct api_key key = find_key(it, secret);
    assert_string_equal(key.name, "hall \xc3\xa9");
    assert_int_equal(key.role, ROLE_VIEWER);
    assert_int_equal(ASK(it, secret, "GET /api/v1/executions"), 200); // and it opens as before
}

static void a_key_is_renamed_by_none_below_it_and_from_no_other_account(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN), *root = live_key(it, it->account, ROLE_OPERATOR);
    fixture_account(it->fixture, "theirs");
    assert_int_equal(SEND(it, root, "POST /api/v1/keys", "{\"name\":\"kept\",\"role\":\"operator\"}"), 201);
    CLEANUP(free_ptr) char *secret = xstrdup(live_text(it, "key"));
    CLEANUP(free_ptr) char *line = xasprintf("PATCH /api/v1/keys/%s", live_text(it, "key_id"));
    CLEANUP(free_ptr) char *elsewhere = xasprintf("%s?account=theirs", line);
    assert_int_equal(SEND(it, admin, line, "{\"name\":\"x\"}"), 403);
    assert_refused(it, "forbidden", "a higher role than its own");
    assert_int_equal(SEND(it, admin, elsewhere, "{\"name\":\"x\"}"), 403);
    assert_int_equal(SEND(it, root, elsewhere, "{\"name\":\"x\"}"), 404);
    assert_refused(it, "not_found", "no such key");
    CLEANUP(api_key_release) struct api_key key = find_key(it, secret);
    assert_string_equal(key.name, "kept");
}

// --- Revoking

static void a_revoked_key_opens_nothing_more(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN), *viewer = live_key(it, it->account, ROLE_VIEWER);
    assert_int_equal(ASK(it, viewer, "GET /api/v1/executions"), 200); // now the server knows it by heart
    assert_int_equal(ASK(it, admin, "DELETE /api/v1/keys/key_1"), 200);
    assert_string_equal(live_text(it, "key_id"), "key_1");
    assert_true(json_is_true(live_json(it, "revoked")));
    assert_int_equal(ASK(it, viewer, "GET /api/v1/executions"), 401);
    CLEANUP(api_key_release) struct api_key key = find_key(it, viewer);
    assert_true(key.revoked_ms > 0);
    assert_int_equal(ASK(it, admin, "GET /api/v1/keys"), 200);
    bool first = strcmp(live_text(it, "keys.0.key_id"), "key_1") == 0;
    assert_true(json_is_string(live_json(it, first ? "keys.0.revoked_at" : "keys.1.revoked_at")));
    assert_true(json_is_null(live_json(it, first ? "keys.1.revoked_at" : "keys.0.revoked_at")));
}

static void a_key_is_not_revoked_by_whom_it_outranks_nor_from_outside(void **state)
{
    struct live_house *it = *state;
    const char *admin = live_key(it, it->account, ROLE_ADMIN);
    const char *root = live_key(it, it->account, ROLE_OPERATOR);
    const char *other = live_key(it, fixture_account(it->fixture, "theirs"), ROLE_ADMIN);
    assert_int_equal(ASK(it, admin, "DELETE /api/v1/keys/key_1"), 403);
    assert_refused(it, "forbidden", "a higher role than its own");
    assert_int_equal(ASK(it, other, "DELETE /api/v1/keys/key_0"), 404);
    assert_refused(it, "not_found", "no such key");
    CLEANUP(free_ptr) char *endless = xasprintf("DELETE /api/v1/keys/%0200d", 1);
    assert_int_equal(ASK(it, admin, endless), 404);
    assert_refused(it, "not_found", "no such key");
    assert_int_equal(ASK(it, root, "DELETE /api/v1/keys/key_1"), 409); // itself, and the last one
    assert_refused(it, "last_operator", "");
    CLEANUP(api_key_release) struct api_key first = find_key(it, admin);
    CLEANUP(api_key_release) struct api_key second = find_key(it, root);
    assert_int_equal(first.revoked_ms, 0);
    assert_int_equal(second.revoked_ms, 0);
}

// --- Tickets

static void a_ticket_is_for_one_stream_and_they_are_counted(void **state)
{
    struct live_house *it = *state;
    const char *viewer = live_key(it, it->account, ROLE_VIEWER);
    for (int i = 0; i < HOUSE_TICKETS_MAX; i++) {
        assert_int_equal(ASK(it, viewer, "POST /api/v1/tickets"), 201);
        assert_int_equal(strncmp(live_text(it, "ticket"), TICKET_PREFIX, strlen(TICKET_PREFIX)), 0);
        assert_int_equal(live_number(it, "expires_in"), 30);
    }
    CLEANUP(free_ptr) char *ticket = xstrdup(live_text(it, "ticket"));
    assert_int_equal(ASK(it, viewer, "POST /api/v1/tickets"), 429);
    assert_refused(it, "too_many_requests", "as many tickets as it may");
    assert_int_equal(ASK(it, ticket, "GET /api/v1/executions"), 401); // no stream
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LIVE_TEST(a_key_is_shown_once_and_kept_by_its_hash),
        LIVE_TEST(a_key_ends_when_it_was_told_to),
        LIVE_TEST(a_key_that_would_have_ended_already_is_not_made),
        LIVE_TEST(no_key_makes_one_above_itself),
        LIVE_TEST(an_operator_makes_lists_and_revokes_keys_of_another_account),
        LIVE_TEST(none_but_an_operator_names_an_account),
        LIVE_TEST(an_account_that_is_none_or_gone_is_said_to_be_that),
        LIVE_TEST(a_key_gets_another_name_and_stays_what_it_is),
        LIVE_TEST(a_key_is_renamed_by_none_below_it_and_from_no_other_account),
        LIVE_TEST(a_revoked_key_opens_nothing_more),
        LIVE_TEST(a_key_is_not_revoked_by_whom_it_outranks_nor_from_outside),
        LIVE_TEST(a_ticket_is_for_one_stream_and_they_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
