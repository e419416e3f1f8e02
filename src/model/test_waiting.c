#include "model/record.h"
#include "model/waiting.h"
#include "util/testing.h"

#include <jansson.h>

#define NOW INT64_C(1763200000000) // 2025-11-15T09:46:40.000Z

static json_t *parsed(const char *text)
{
    json_t *value = json_loads(text, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
    assert_non_null(value);
    return value;
}

static void what_is_waited_for_is_kept_with_its_time(void **state)
{
    (void)state;
    static const struct {
        const char *sent, *kept;
        int64_t until_ms;
    } cases[] = {
        {"{}", "{\"waiting_id\":\"w1\"}", 0},
        {"{\"form\":null,\"until\":null}", "{\"waiting_id\":\"w1\"}", 0},
        {"{\"form\":{\"title\":\"Go on?\"}}", "{\"waiting_id\":\"w1\",\"form\":{\"title\":\"Go on?\"}}", 0},
        {"{\"assignees\":[\"u1\",\"u2\"],\"node_id\":\"gate\"}",
         "{\"waiting_id\":\"w1\",\"assignees\":[\"u1\",\"u2\"],\"node_id\":\"gate\"}", 0},
        {"{\"until\":\"2h\"}", "{\"waiting_id\":\"w1\",\"until\":\"2025-11-15T11:46:40.000Z\",\"on_timeout\":\"fail\"}",
         NOW + 7200000},
        {"{\"until\":\"2025-11-15T09:46:40.001Z\",\"on_timeout\":\"resume\"}",
         "{\"waiting_id\":\"w1\",\"until\":\"2025-11-15T09:46:40.001Z\",\"on_timeout\":\"resume\"}", NOW + 1},
        {"{\"on_timeout\":\"resume\"}", "{\"waiting_id\":\"w1\",\"on_timeout\":\"resume\"}", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct waiting_problem problem = {0};
        int64_t until_ms = -1;
        json_t *sent = parsed(cases[i].sent);
        CLEANUP(free_ptr) char *kept = waiting_take(sent, "w1", NOW, &until_ms, &problem);
        json_decref(sent);
        assert_non_null(kept);
        assert_string_equal(kept, cases[i].kept);
        assert_int_equal(until_ms, cases[i].until_ms);
    }
}

static void what_is_wrong_is_named(void **state)
{
    (void)state;
    static const char names[] = "must be a list of 1 to 100 names of users, each of 1 to 127 bytes";
    static const char when[] = "must be a time in RFC 3339, or a duration such as 2h";
    static const struct {
        const char *sent, *member, *reason;
    } cases[] = {
        {"7", NULL, "must be an object"},
        {"[]", NULL, "must be an object"},
        {"{\"colour\":1}", "colour", "is not known"},
        {"{\"waiting_id\":\"w2\"}", "waiting_id", "is not known"}, // the server names it
        {"{\"form\":[]}", "form", "must be an object"},
        {"{\"assignees\":\"u1\"}", "assignees", names},
        {"{\"assignees\":[]}", "assignees", names},
        {"{\"assignees\":[7]}", "assignees", names},
        {"{\"assignees\":[\"\"]}", "assignees", names},
        {"{\"assignees\":[\"a\\u0000b\"]}", "assignees", names},
        {"{\"until\":7}", "until", when},
        {"{\"until\":\"noon\"}", "until", when},
        {"{\"until\":\"0\"}", "until", when},
        {"{\"until\":\"2025-11-15T09:46:40.000Z\"}", "until", "has passed already"},
        {"{\"on_timeout\":\"explode\"}", "on_timeout", "must be fail or resume"},
        {"{\"on_timeout\":1}", "on_timeout", "must be fail or resume"},
        {"{\"node_id\":\"\"}", "node_id", "must be a text of 1 to 255 bytes"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct waiting_problem problem = {0};
        int64_t until_ms;
        json_t *sent = parsed(cases[i].sent);
        assert_null(waiting_take(sent, "w1", NOW, &until_ms, &problem));
        if (cases[i].member)
            assert_string_equal(problem.member, cases[i].member);
        else
            assert_null(problem.member);
        assert_string_equal(problem.reason, cases[i].reason);
        json_decref(sent);
    }
}

static json_t *with_form(size_t bytes)
{
    CLEANUP(free_ptr) char *text = xmalloc(bytes + 1);
    memset(text, 'x', bytes);
    text[bytes] = '\0';
    return json_pack("{s{ss}}", "form", "a", text);
}

static void each_limit_holds_at_its_edge(void **state)
{
    (void)state;
    struct waiting_problem problem;
    int64_t until_ms;
    size_t frame = strlen("{\"a\":\"\"}");
    for (size_t over = 0; over < 2; over++) {
        json_t *form = with_form(WAITING_FORM_MAX - frame + over), *assignees = json_array();
        for (size_t i = 0; i < WAITING_ASSIGNEES_MAX + over; i++)
            json_array_append_new(assignees, json_sprintf("%0127zu", i));
        json_t *many = json_pack("{so}", "assignees", assignees);
        json_t *wide = json_pack("{s[o]}", "assignees", json_sprintf("%0*d", (int)(WAITING_USER_MAX + over), 1));
        json_t *node = json_pack("{so}", "node_id", json_sprintf("%0*d", (int)(WAITING_NODE_MAX + over), 1));
        json_t *const values[] = {form, many, wide, node};
        for (size_t i = 0; i < ARRAY_LEN(values); i++) {
            CLEANUP(free_ptr) char *kept = waiting_take(values[i], "w1", NOW, &until_ms, &problem);
            assert_int_equal(kept != NULL, over == 0);
            json_decref(values[i]);
        }
    }
}

static void the_assignees_answer_or_without_them_the_owner(void **state)
{
    (void)state;
    static const struct {
        const char *kept, *owner, *user;
        bool may;
    } cases[] = {
        {"", "u1", "u1", true},
        {"", "u1", "u2", false},
        {"", "", "", false},
        {"{\"form\":{}}", "u1", "u1", true},
        {"{\"assignees\":[\"u2\",\"u3\"]}", "u1", "u3", true},
        {"{\"assignees\":[\"u2\",\"u3\"]}", "u1", "u1", false},
        {"{\"assignees\":[\"u2\",\"u3\"]}", "u1", "u", false},
        {"{\"assignees\":[\"u2\",\"u3\"]}", "u1", "", false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(waiting_may_answer(str_of(cases[i].kept), str_of(cases[i].owner), str_of(cases[i].user)),
                         cases[i].may);
}

static void what_a_time_out_does_is_what_was_asked_for(void **state)
{
    (void)state;
    assert_int_equal(waiting_on_timeout(STR("")), WAITING_FAIL);
    assert_int_equal(waiting_on_timeout(STR("{\"on_timeout\":\"fail\"}")), WAITING_FAIL);
    assert_int_equal(waiting_on_timeout(STR("{\"on_timeout\":\"resume\"}")), WAITING_RESUME);
    assert_int_equal(waiting_timeout_status(WAITING_FAIL), STATUS_TIMED_OUT);
    assert_int_equal(waiting_timeout_status(WAITING_RESUME), STATUS_RUNNING);
}

static void the_node_that_waits_may_be_named(void **state)
{
    (void)state;
    CLEANUP(free_ptr) char *node = waiting_node(STR("{\"node_id\":\"gate\"}"));
    assert_string_equal(node, "gate");
    assert_null(waiting_node(STR("{\"form\":{}}")));
    assert_null(waiting_node(STR("")));
}

// --- Records

static void assert_canonical(const struct buf *extra)
{
    struct record_parser *parser = record_parser_new(0);
    assert_true(record_extra_valid(parser, buf_str(extra)));
    record_parser_free(&parser);
}

static void a_wait_is_known_by_its_name(void **state)
{
    (void)state;
    assert_true(waiting_is(STR("{\"waiting_id\":\"w1\"}"), STR("w1")));
    assert_false(waiting_is(STR("{\"waiting_id\":\"w1\"}"), STR("w2")));
    assert_false(waiting_is(STR("{}"), STR("w1")));
    assert_false(waiting_is(STR(""), STR("")));
}

static void an_answer_is_told_with_who_gave_it(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf message = {0}, extra = {0};
    assert_null(waiting_say_answer(STR("u \"1\""), "gate", STR("{\"ok\": true}"), &message, &extra));
    assert_string_equal(buf_cstr(&message), "answered by u \"1\"");
    assert_string_equal(buf_cstr(&extra),
                        "\"event_type\":\"human_interaction\",\"node_id\":\"gate\",\"data\":{\"ok\":true},"
                        "\"technical_details\":{\"answered_by\":\"u \\\"1\\\"\"}");
    assert_canonical(&extra);
}

static void an_answer_fits_in_a_record(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf data = {0}, message = {0}, extra = {0};
    buf_append_text(&data, "{\"a\":\"");
    for (size_t i = 0; i < RECORD_EXTRA_MAX; i++)
        buf_append_byte(&data, 'x');
    buf_append_text(&data, "\"}");
    assert_string_equal(waiting_say_answer(STR("u"), NULL, buf_str(&data), &message, &extra), "is larger than 64 KiB");
}

static void a_time_out_is_told_with_its_time(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf failed = {0}, resumed = {0}, extra = {0}, other = {0};
    waiting_say_timeout(WAITING_FAIL, NOW, NULL, &failed, &extra);
    assert_string_equal(buf_cstr(&failed), "nobody has answered until 2025-11-15T09:46:40.000Z");
    assert_string_equal(buf_cstr(&extra), "\"event_type\":\"human_interaction\"");
    assert_canonical(&extra);
    waiting_say_timeout(WAITING_RESUME, NOW, "gate", &resumed, &other);
    assert_string_equal(buf_cstr(&resumed),
                        "nobody has answered until 2025-11-15T09:46:40.000Z; the run goes on without an answer");
    assert_canonical(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_waited_for_is_kept_with_its_time),
        cmocka_unit_test(what_is_wrong_is_named),
        cmocka_unit_test(each_limit_holds_at_its_edge),
        cmocka_unit_test(the_assignees_answer_or_without_them_the_owner),
        cmocka_unit_test(what_a_time_out_does_is_what_was_asked_for),
        cmocka_unit_test(the_node_that_waits_may_be_named),
        cmocka_unit_test(a_wait_is_known_by_its_name),
        cmocka_unit_test(an_answer_is_told_with_who_gave_it),
        cmocka_unit_test(an_answer_fits_in_a_record),
        cmocka_unit_test(a_time_out_is_told_with_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
