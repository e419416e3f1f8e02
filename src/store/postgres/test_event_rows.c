#include "store/postgres/event_rows.h"
#include "util/testing.h"

static void json_becomes_what_jsonb_takes(void **state)
{
    (void)state;
    static const struct {
        const char *given, *wanted;
    } cases[] = {
        {"\"a\":\"b\"", "\"a\":\"b\""},
        {"\"a\":\"\\u0000\\u0001\\u0000\"", "\"a\":\"\\ufffd\\u0001\\ufffd\""},
        {"\"\\u0000k\":[\"x\\u0000\"]", "\"\\ufffdk\":[\"x\\ufffd\"]"},
        {"\"a\":\"\\\\u0000 \\\" \\u0000\"", "\"a\":\"\\\\u0000 \\\" \\ufffd\""},
        {"\"a\":[1,-2.5,3e10,1E-99,true,false,null]", "\"a\":[1,-2.5,3e10,1E-99,true,false,null]"},
        {"\"a\":1e99999,\"b\":-1E-99999", "\"a\":\"1e99999\",\"b\":\"-1E-99999\""},
        {"\"a\":\"1e99999\"", "\"a\":\"1e99999\""},
        {"", ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        event_rows_json(&out, str_of(cases[i].given));
        assert_string_equal(buf_cstr(&out), cases[i].wanted);
    }
}

static void a_number_of_too_many_digits_becomes_a_string(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf given = {0}, out = {0}, wanted = {0};
    for (int i = 0; i < 20000; i++)
        buf_append_byte(&given, '7');
    buf_printf(&wanted, "\"%s\"", buf_cstr(&given));
    event_rows_json(&out, buf_str(&given));
    assert_string_equal(buf_cstr(&out), buf_cstr(&wanted));
}

static void only_structured_records_become_rows(void **state)
{
    (void)state;
    static const struct record records[] = {
        {.stream = STREAM_STDOUT, .message = STR("a line")},
        {.stream = STREAM_EVENT, .message = STR("an event")},
        {.stream = STREAM_STDERR, .message = STR("with\0fields"), .extra = STR("\"node_id\":\"n\"")},
    };
    CLEANUP(chunk_builder_free) struct chunk_builder *builder = chunk_builder_new();
    CLEANUP(buf_release) struct buf out = {0};
    for (size_t i = 0; i < ARRAY_LEN(records); i++)
        assert_int_equal(chunk_builder_add(builder, &records[i]), 0);
    CLEANUP(chunk_unref) struct chunk *chunk = chunk_builder_finish(builder, 0);
    event_rows_add(&out, 5, 100, chunk);
    assert_null(memmem(out.data, out.len, "a line", 6));
    assert_non_null(memmem(out.data, out.len, "an event", 8));
    assert_non_null(memmem(out.data, out.len,
                           "with\xef\xbf\xbd"
                           "fields",
                           13));
    assert_non_null(memmem(out.data, out.len, "\1{\"node_id\":\"n\"}", 16));
    const char numbers[] = {0, 7, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 101};
    assert_memory_equal(out.data, numbers, sizeof(numbers));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(json_becomes_what_jsonb_takes),
        cmocka_unit_test(a_number_of_too_many_digits_becomes_a_string),
        cmocka_unit_test(only_structured_records_become_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
