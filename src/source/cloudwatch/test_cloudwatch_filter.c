// What is asked of CloudWatch's API, and what its answers become.
#include "client/aws_credentials.h"
#include "source/cloudwatch/filter.h"
#include "util/testing.h"

static const struct cloudwatch_place one = {"/ecs/jobs", "task/runner/{execution_id}"},
                                     several = {"/ecs/jobs", "{execution_id}/*"};

static void a_stream_s_name_has_the_id_once_and_no_other_execution_s_begins_so(void **state)
{
    (void)state;
    static const char *const good[] = {"{execution_id}", "a/{execution_id}", "a/{execution_id}-b", "{execution_id}/*",
                                       "{execution_id}/a*"};
    static const char *const bad[] = {"",
                                      "all",
                                      "{execution_id",
                                      "{execution_id}*",
                                      "{execution_id}-*",
                                      "a*/{execution_id}",
                                      "a:{execution_id}",
                                      "{execution_id}/{execution_id}",
                                      "\xff/{execution_id}"};
    for (size_t i = 0; i < ARRAY_LEN(good); i++)
        assert_true(cloudwatch_stream_valid(str_of(good[i])));
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(cloudwatch_stream_valid(str_of(bad[i])));
}

static void a_request_names_group_stream_and_page(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    cloudwatch_filter_write(&one, STR("run-1"), STR(""), &out);
    assert_string_equal(buf_cstr(&out), "{\"logGroupName\":\"/ecs/jobs\",\"logStreamNamePrefix\":\"task/runner/run-1\","
                                        "\"limit\":10000}");
    buf_reset(&out);
    cloudwatch_filter_write(&several, STR("run-1"), STR("a\"b"), &out);
    assert_string_equal(buf_cstr(&out), "{\"logGroupName\":\"/ecs/jobs\",\"logStreamNamePrefix\":\"run-1/\","
                                        "\"limit\":10000,\"nextToken\":\"a\\\"b\"}");
}

struct got {
    struct buf text; // what came, a line each
    struct buf token;
};

static void each(void *arg, const struct arrival *it)
{
    struct got *got = arg;
    buf_printf(&got->text, "%.*s|%.*s|%lld|%.*s\n", STR_ARGS(it->execution_id), STR_ARGS(it->id),
               (long long)it->record.time_ms, STR_ARGS(it->record.message));
}

static void refused(void *arg, const char *reason)
{
    (void)arg;
    (void)reason;
    fail();
}

static int read_page(const struct cloudwatch_place *place, const char *body, struct got *got)
{
    struct cloudwatch *cloudwatch = cloudwatch_new();
    const struct arrival_reader reader = {each, refused, got};
    int err = cloudwatch_page_read(cloudwatch, place, STR("run-1"), str_of(body), &reader, &got->token);
    cloudwatch_free(&cloudwatch);
    return err;
}

static void got_release(struct got *got)
{
    buf_release(&got->text);
    buf_release(&got->token);
}

#define EVENT(id, stream, message)                                                                          \
    "{\"eventId\":\"" id "\",\"logStreamName\":\"" stream "\",\"timestamp\":5,\"message\":\"" message "\"," \
    "\"ingestionTime\":6}"

static void a_page_has_the_events_of_its_streams_alone(void **state)
{
    (void)state;
    CLEANUP(got_release) struct got got = {0};
    assert_int_equal(read_page(&one,
                               "{\"events\":[" EVENT("1", "task/runner/run-1", "a") "," EVENT(
                                   "2", "task/runner/run-10", "b") "],\"nextToken\":\"next\"}",
                               &got),
                     0);
    assert_string_equal(buf_cstr(&got.text), "run-1|1|5|a\n");
    assert_string_equal(buf_cstr(&got.token), "next");
    buf_reset(&got.text);
    assert_int_equal(
        read_page(&several, "{\"events\":[" EVENT("1", "run-1/a/b", "a") "," EVENT("2", "run-2/a", "b") "]}", &got), 0);
    assert_string_equal(buf_cstr(&got.text), "run-1|1|5|a\n");
    assert_int_equal(got.token.len, 0);
}

static void what_is_no_page_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "[]",
        "{}",
        "{\"events\":{}}",
        "{\"events\":[],\"nextToken\":1}",
        "{\"events\":[],\"nextToken\":\"\"}",
        "{\"events\":[",
        // without an id it could be stored twice
        "{\"events\":[{\"logStreamName\":\"task/runner/run-1\",\"timestamp\":5,\"message\":\"a\"}]}",
        "{\"events\":[{\"eventId\":\"1\",\"logStreamName\":\"task/runner/run-1\",\"message\":\"a\"}]}",
    };
    CLEANUP(got_release) struct got got = {0};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_int_equal(read_page(&one, bad[i], &got), ERR_MALFORMED);
    CLEANUP(buf_release) struct buf deep = {0};
    for (size_t i = 0; i < 1000; i++)
        buf_append_byte(&deep, '[');
    assert_int_equal(read_page(&one, buf_cstr(&deep), &got), ERR_TOO_LARGE);
    assert_int_equal(got.text.len, 0);
}

static void what_may_be_otherwise_later_is_told_from_what_may_not(void **state)
{
    (void)state;
    static const struct {
        int status;
        const char *body;
        int err;
        const char *said;
    } cases[] = {
        {400, "{\"__type\":\"ThrottlingException\",\"message\":\"Rate exceeded\"}", ERR_UNAVAILABLE, "asked too often"},
        {429, "", ERR_UNAVAILABLE, "429"},
        {503, "<html>", ERR_UNAVAILABLE, "503"},
        {500, "{\"__type\":\"Unheard\"}", ERR_UNAVAILABLE, "Unheard"},
        {400, "{\"__type\":\"com.amazonaws.logs#ExpiredTokenException\"}", ERR_TOKEN_EXPIRED, "have run out"},
        {400, "{\"__type\":\"AccessDeniedException:http://x/\",\"Message\":\"why\"}", ERR_FORBIDDEN, "(why)"},
        {400, "{\"__type\":\"ResourceNotFoundException\"}", ERR_NOT_FOUND, "no such log group"},
        {400, "{\"__type\":\"InvalidParameterException\",\"message\":\"bad\"}", ERR_WRONG_SERVER, "(bad)"},
        {404, "{\"__type\":5}", ERR_WRONG_SERVER, "404"},
        {301, "", ERR_WRONG_SERVER, "301"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf error = {0};
        assert_int_equal(cloudwatch_failure(cases[i].status, str_of(cases[i].body), &error), cases[i].err);
        assert_non_null(strstr(buf_cstr(&error), cases[i].said));
    }
}

static void credentials_are_those_of_the_profile(void **state)
{
    (void)state;
    static const char text[] = "# of a person\n[default]\r\naws_access_key_id = A\r\n aws_secret_access_key=b/+= \r\n"
                               "[work]\naws_access_key_id=C\naws_secret_access_key=d\naws_session_token=e==\nregion=x\n"
                               "[half]\naws_access_key_id=F\n";
    CLEANUP(aws_credentials_release) struct aws_credentials got = {0};
    CLEANUP(buf_release) struct buf error = {0};
    assert_int_equal(aws_credentials_parse(STR(text), "", &got, &error), 0);
    assert_string_equal(buf_cstr(&got.key_id), "A");
    assert_string_equal(buf_cstr(&got.secret), "b/+=");
    assert_int_equal(got.session_token.len, 0);
    aws_credentials_release(&got);
    assert_int_equal(aws_credentials_parse(STR(text), "work", &got, &error), 0);
    assert_string_equal(buf_cstr(&got.session_token), "e==");
    aws_credentials_release(&got);
    assert_int_equal(aws_credentials_parse(STR(text), "half", &got, &error), ERR_INVALID);
    assert_int_equal(aws_credentials_parse(STR(text), "none", &got, &error), ERR_INVALID);
    assert_non_null(strstr(buf_cstr(&error), "[none]"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_stream_s_name_has_the_id_once_and_no_other_execution_s_begins_so),
        cmocka_unit_test(a_request_names_group_stream_and_page),
        cmocka_unit_test(a_page_has_the_events_of_its_streams_alone),
        cmocka_unit_test(what_is_no_page_is_refused),
        cmocka_unit_test(what_may_be_otherwise_later_is_told_from_what_may_not),
        cmocka_unit_test(credentials_are_those_of_the_profile),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
