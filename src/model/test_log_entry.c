#include "model/log_entry.h"
#include "util/testing.h"

static void each_record_has_the_shape_of_an_entry(void **state)
{
    (void)state;
    static const struct {
        struct record record;
        const char *message, *extra; // of the record
        bool live;
        const char *entry;
    } cases[] = {
        {{.time_ms = 1, .stream = STREAM_STDOUT},
         "a \"line\"",
         "",
         false,
         "{\"id\":\"run-1:7\",\"timestamp\":\"1970-01-01T00:00:00.001Z\",\"message\":\"a \\\"line\\\"\",\"level\":"
         "\"info\",\"node_name\":null,\"event_type\":\"log\",\"data\":{}}"},
        {{.time_ms = 1000, .stream = STREAM_EVENT, .level = LEVEL_ERROR},
         "technical",
         "\"event_type\":\"step_error\",\"node_id\":\"n\",\"node_name\":\"Fetch\",\"step_number\":2,"
         "\"user_friendly_message\":\"It failed\",\"is_milestone\":true,\"data\":{\"a\":[1]}",
         true,
         "{\"id\":\"run-1:7\",\"timestamp\":\"1970-01-01T00:00:01.000Z\",\"message\":\"It failed\",\"level\":\"error\","
         "\"node_name\":\"Fetch\",\"event_type\":\"step_error\",\"data\":{\"a\":[1]},\"node_id\":\"n\",\"step_number\":"
         "2,"
         "\"is_milestone\":true,\"is_realtime\":true}"},
        // A friendly message without a word says nothing.
        {{.time_ms = 0, .stream = STREAM_EVENT, .level = LEVEL_WARNING},
         "m",
         "\"user_friendly_message\":\"\"",
         false,
         "{\"id\":\"run-1:7\",\"timestamp\":\"1970-01-01T00:00:00.000Z\",\"message\":\"m\",\"level\":\"warning\","
         "\"node_name\":null,\"event_type\":\"log\",\"data\":{}}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        struct record record = cases[i].record;
        record.message = str_of(cases[i].message);
        record.extra = str_of(cases[i].extra);
        log_entry_append(&out, &record, STR("run-1"), 7, cases[i].live);
        buf_append_byte(&out, '\0');
        assert_string_equal(out.data, cases[i].entry);
    }
}

static void an_event_holds_the_entry(void **state)
{
    (void)state;
    struct record record = {.time_ms = 1, .stream = STREAM_STDERR, .message = STR("x")};
    CLEANUP(buf_release) struct buf out = {0};
    log_entry_append_event(&out, &record, STR("e"), 0, false);
    buf_append_byte(&out, '\0');
    assert_string_equal(out.data,
                        "{\"event_type\":\"LOG\",\"session_id\":\"e\",\"is_final\":false,\"data\":{\"id\":\"e:0\","
                        "\"timestamp\":\"1970-01-01T00:00:00.001Z\",\"message\":\"x\",\"level\":\"info\",\"node_name\":"
                        "null,\"event_type\":\"log\",\"data\":{}},\"timestamp\":\"1970-01-01T00:00:00.001Z\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_record_has_the_shape_of_an_entry),
        cmocka_unit_test(an_event_holds_the_entry),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
