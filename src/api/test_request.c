// A request on its way to its handler, by a table of its own: what handlers get, and what they never see.
#include "api/call.h"
#include "api/test_api.h"

static unsigned handled; // calls of any handler

static void echo(struct call *call)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    struct field_value limit = call_param(call, "limit");
    handled++;
    json_open_object(&json, NULL);
    json_add_i64(&json, "limit", limit.number);
    json_add_bool(&json, "given", limit.given);
    json_add_bool(&json, "deep", call_param(call, "deep").number);
    json_add_str(&json, "text", call_param(call, "text").text);
    json_add_str(&json, "first", call_capture(call, "first"));
    json_add_str(&json, "second", call_capture(call, "second"));
    json_add_bool(&json, "none", call_capture(call, "third").data == NULL);
    json_close(&json);
    call_answer(call, 200, &json);
}

static void take_body(struct call *call)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    handled++;
    json_open_object(&json, NULL);
    json_add_str(&json, "name", call_member(call, "name").text);
    json_add_i64(&json, "size", call_member(call, "size").number);
    json_add_bool(&json, "sized", call_member(call, "size").given);
    json_add_time(&json, "at", call_member(call, "at").number);
    json_close(&json);
    call_answer(call, 200, &json);
}

static void show(struct call *call)
{
    CLEANUP(buf_release) struct buf text = {0};
    struct json_writer json = json_writer_to(&text);
    handled++;
    json_open_array(&json, NULL);
    json_add_text(&json, NULL, call->execution.execution_id);
    json_close(&json);
    call_answer(call, 200, &json);
}

static bool is_even(struct str value)
{
    return value.len % 2 == 0;
}
static const struct field_rule even = {"must have an even length", is_even};

static const struct field echo_query[] = {
    {"limit", "", .type = FIELD_NUMBER, .min = -3, .max = 10, .fallback = 5},
    {"deep", "", .type = FIELD_FLAG, .flags = FIELD_DIGITS},
    {"text", "", .type = FIELD_TEXT, .min = 2, .max = 6, .rule = &even},
    {"word", "", .type = FIELD_WORD, .words = "red green", .flags = FIELD_LIST},
    {0},
};
static const struct field taken[] = {
    {"name", "", .type = FIELD_TEXT, .min = 1, .max = 3, .flags = FIELD_REQUIRED},
    {"size", "", .type = FIELD_NUMBER, .min = 1, .max = 9, .fallback = 4, .flags = FIELD_NULL},
    {"at", "", .type = FIELD_TIME},
    {0},
};

static const struct route table[] = {
    {HTTP_M_GET, "/echo/{first}/{second}", ACTION_PUBLIC, .query = echo_query, .handle = echo, .summary = "-"},
    {HTTP_M_POST, "/take", ACTION_PUBLIC, .body = taken, .handle = take_body, .summary = "-"},
    {HTTP_M_GET, "/show/{id}", ACTION_READ, RESOURCE_EXECUTION, .handle = show, .summary = "-"},
    {HTTP_M_GET, "/operate", ACTION_OPERATE, .handle = show, .summary = "-"},
    {0},
};

static int set_up(void **state)
{
    handled = 0;
    return fixture_new(state, table);
}

static void send_request(struct fixture *it, struct peer *peer, const char *line, const char *rest)
{
    CLEANUP(buf_release) struct buf request = {0};
    buf_printf(&request, "%s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%s", line, rest ? rest : "\r\n");
    house_connect(&it->house, peer);
    peer_send_text(peer, buf_cstr(&request));
}

static void assert_answer(struct peer *peer, const char *status, const char *text)
{
    peer_wait_end(peer);
    if (!peer_got(peer, status) || !peer_got(peer, text))
        fail_msg("wanted %s and %s, got %s", status, text, buf_cstr(&peer->got));
    peer_close(peer);
}

static void assert_get(struct fixture *it, const char *path, const char *status, const char *text)
{
    CLEANUP(buf_release) struct buf line = {0};
    struct peer peer;
    buf_printf(&line, "GET %s", path);
    send_request(it, &peer, buf_cstr(&line), NULL);
    assert_answer(&peer, status, text);
}

static void assert_post(struct fixture *it, const char *body, const char *status, const char *text)
{
    CLEANUP(buf_release) struct buf rest = {0};
    struct peer peer;
    buf_printf(&rest, "Content-Length: %zu\r\n\r\n%s", strlen(body), body);
    send_request(it, &peer, "POST /take", buf_cstr(&rest));
    assert_answer(&peer, status, text);
}

static void a_handler_gets_captures_values_and_defaults(void **state)
{
    struct fixture *it = *state;
    assert_get(it, "/echo/a%20b/c?limit=-3&deep=1&text=ab+d", "200 OK",
               "{\"limit\":-3,\"given\":true,\"deep\":true,\"text\":\"ab d\",\"first\":\"a "
               "b\",\"second\":\"c\",\"none\":true}");
    assert_get(it, "/echo/a/b?word=red,green", "200 OK", "{\"limit\":5,\"given\":false,\"deep\":false,\"text\":\"\"");
    assert_int_equal(handled, 2);
}

static void a_wrong_parameter_is_named_and_no_handler_sees_it(void **state)
{
    struct fixture *it = *state;
    assert_get(it, "/echo/a/b?limit=11", "400 ", "parameter limit: must be a whole number, -3 to 10");
    assert_get(it, "/echo/a/b?limit=-4", "400 ", "parameter limit:");
    assert_get(it, "/echo/a/b?limit=", "400 ", "parameter limit:");
    assert_get(it, "/echo/a/b?limit=1&limit=1", "400 ", "parameter limit: is given twice");
    assert_get(it, "/echo/a/b?deep=yes", "400 ", "parameter deep: must be true or false");
    assert_get(it, "/echo/a/b?text=abc", "400 ", "parameter text: must have an even length");
    assert_get(it, "/echo/a/b?text=", "400 ", "parameter text:");
    assert_get(it, "/echo/a/b?text=abcdefgh", "400 ", "parameter text:");
    assert_get(it, "/echo/a/b?word=red,blue", "400 ", "parameter word: must be red or green");
    assert_get(it, "/echo/a/b?colour=red", "400 ", "parameter colour: is not a parameter of this route");
    assert_get(it, "/echo/a/b?access_token=x", "400 ", "parameter access_token:");
    assert_get(it, "/echo/%zz/b", "400 ", "\"malformed\"");
    assert_int_equal(handled, 0);
}

static void a_handler_gets_the_members_of_a_body(void **state)
{
    struct fixture *it = *state;
    assert_post(it, "{\"name\":\"abc\",\"size\":9,\"at\":\"1970-01-01T00:00:01Z\"}", "200 OK",
                "{\"name\":\"abc\",\"size\":9,\"sized\":true,\"at\":\"1970-01-01T00:00:01.000Z\"}");
    assert_post(it, "{\"name\":\"a\",\"size\":null}", "200 OK",
                "{\"name\":\"a\",\"size\":4,\"sized\":false,\"at\":null}");
    assert_int_equal(handled, 2);
}

static void all_wrong_members_are_named_at_once(void **state)
{
    struct fixture *it = *state;
    assert_post(
        it, "{\"size\":10,\"at\":null,\"more\":1}", "422 ",
        "\"fields\":[{\"name\":\"size\",\"reason\":\"must be a whole number, 1 to 9\"},"
        "{\"name\":\"at\",\"reason\":\"must be a time in RFC 3339\"},{\"name\":\"more\",\"reason\":\"is not known\"},"
        "{\"name\":\"name\",\"reason\":\"must be a string of 1 to 3 bytes\"}]");
    assert_post(it, "{\"name\":\"\"}", "422 ", "{\"name\":\"name\"");
    assert_post(it, "{\"name\":null}", "422 ", "{\"name\":\"name\"");
    assert_post(it, "[]", "400 ", "send one JSON object");
    assert_int_equal(handled, 0);
}

static void a_route_without_a_body_refuses_one_by_its_head(void **state)
{
    struct fixture *it = *state;
    struct peer peer;
    send_request(it, &peer, "GET /echo/a/b", "Content-Length: 5\r\n\r\n");
    assert_answer(&peer, "413 ", "this route takes no body");
    assert_int_equal(handled, 0);
}

// --- What {id} names

static void ask_to_show(struct fixture *it, struct peer *peer, const struct key *key, enum role role)
{
    CLEANUP(buf_release) struct buf rest = {0};
    buf_printf(&rest, "Authorization: Bearer %s\r\n\r\n", key->secret);
    send_request(it, peer, "GET /show/e", buf_cstr(&rest));
    answer_key_of(it, key, role);
    stub_answer(take(it, STORE_KEY_USED), 0);
}

static void give(struct fixture *it, const char *owner, bool purged)
{
    struct store_get *get = TAKE(it, STORE_GET, store_get);
    get->ret_execution = (struct execution){.row = ROW,
                                            .account = ACCOUNT,
                                            .execution_id = xstrdup("e"),
                                            .owner = owner ? xstrdup(owner) : NULL,
                                            .purged = purged,
                                            .restored_from = UINT64_MAX};
    get->ret_version = store_version(&it->store.base, ROW);
    stub_answer(&get->op, 0);
}

static void what_is_there_is_loaded_for_its_handler(void **state)
{
    struct fixture *it = *state;
    struct key key = key_new(it);
    struct peer peer;
    ask_to_show(it, &peer, &key, ROLE_VIEWER);
    give(it, NULL, false);
    assert_answer(&peer, "200 OK", "[\"e\"]");
    assert_int_equal(handled, 1);
}

static void what_cannot_be_had_is_said_in_one_place(void **state)
{
    struct fixture *it = *state;
    struct key keys[4] = {key_new(it), key_new(it), key_new(it), key_new(it)};
    struct peer peer;

    ask_to_show(it, &peer, &keys[0], ROLE_VIEWER);
    stub_answer(take(it, STORE_GET), ERR_NOT_FOUND);
    assert_answer(&peer, "404 ", "no such execution");

    ask_to_show(it, &peer, &keys[1], ROLE_VIEWER);
    stub_answer(take(it, STORE_GET), ERR_UNAVAILABLE);
    assert_answer(&peer, "503 ", "\"unavailable\"");

    ask_to_show(it, &peer, &keys[2], ROLE_USER);
    give(it, "another", true); // that it was purged is for its owner to know
    assert_answer(&peer, "404 ", "no such execution");
    assert_int_equal(handled, 0);
}

static void its_owner_learns_that_it_was_purged(void **state)
{
    struct fixture *it = *state;
    struct key key = key_new(it);
    struct peer peer;
    ask_to_show(it, &peer, &key, ROLE_USER);
    give(it, "key_1", true);
    assert_answer(&peer, "410 ", "\"expired\"");
    assert_int_equal(handled, 0);
}

static void a_name_that_can_be_none_is_not_asked_for(void **state)
{
    struct fixture *it = *state;
    struct key key = key_new(it);
    struct peer peer;
    CLEANUP(buf_release) struct buf rest = {0};
    buf_printf(&rest, "Authorization: Bearer %s\r\n\r\n", key.secret);
    send_request(it, &peer, "GET /show/-wrong", buf_cstr(&rest));
    answer_key(it, &key);
    stub_answer(take(it, STORE_KEY_USED), 0);
    assert_answer(&peer, "404 ", "no such execution");
}

static void a_role_too_low_and_no_credential_reach_no_handler(void **state)
{
    struct fixture *it = *state;
    struct key key = key_new(it);
    struct peer peer;
    CLEANUP(buf_release) struct buf rest = {0};
    assert_get(it, "/operate", "401 ", "\"unauthorized\"");
    buf_printf(&rest, "Authorization: Bearer %s\r\n\r\n", key.secret);
    send_request(it, &peer, "GET /operate", buf_cstr(&rest));
    answer_key(it, &key);
    stub_answer(take(it, STORE_KEY_USED), 0);
    assert_answer(&peer, "403 ", "\"forbidden\"");
    assert_int_equal(handled, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, fixture_free)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(a_handler_gets_captures_values_and_defaults),    TEST(a_wrong_parameter_is_named_and_no_handler_sees_it),
        TEST(a_handler_gets_the_members_of_a_body),           TEST(all_wrong_members_are_named_at_once),
        TEST(a_route_without_a_body_refuses_one_by_its_head), TEST(what_is_there_is_loaded_for_its_handler),
        TEST(what_cannot_be_had_is_said_in_one_place),        TEST(its_owner_learns_that_it_was_purged),
        TEST(a_name_that_can_be_none_is_not_asked_for),       TEST(a_role_too_low_and_no_credential_reach_no_handler),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
