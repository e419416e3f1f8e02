#include "model/trace_event.h"
#include "util/testing.h"

static void each_kind_of_trace_event_has_its_members(void **state)
{
    (void)state;
    static const struct {
        struct record record;
        const char *message, *extra; // of the record
        const char *event;
    } cases[] = {
        {{.time_ms = 1, .stream = STREAM_EVENT},
         "",
         "\"event_type\":\"node_started\",\"node_id\":\"a\"",
         "{\"id\":\"7\",\"runId\":\"r\",\"nodeId\":\"a\",\"nodeRef\":\"a\",\"type\":\"STARTED\",\"level\":\"info\","
         "\"timestamp\":\"1970-01-01T00:00:00.001Z\"}"},
        // Without an id the name is the node; a failure says its message and stack.
        {{.time_ms = 1, .stream = STREAM_EVENT, .level = LEVEL_CRITICAL},
         "it \"broke\"",
         "\"event_type\":\"node_failed\",\"node_name\":\"A\",\"stack_trace\":\"at x\"",
         "{\"id\":\"7\",\"runId\":\"r\",\"nodeId\":\"A\",\"nodeRef\":\"A\",\"type\":\"FAILED\",\"level\":\"error\","
         "\"timestamp\":\"1970-01-01T00:00:00.001Z\",\"message\":\"it \\\"broke\\\"\",\"error\":{\"message\":\"it "
         "\\\"broke\\\"\",\"stack\":\"at x\"}}"},
        {{.time_ms = 1, .stream = STREAM_EVENT, .level = LEVEL_WARNING},
         "m",
         "\"event_type\":\"node_completed\",\"node_id\":\"a\",\"data\":[1],\"technical_details\":{\"error\":{\"code\":"
         "\"E\"},"
         "\"metadata\":{\"attempt\":2},\"outputSummary\":{\"n\":1}}",
         "{\"id\":\"7\",\"runId\":\"r\",\"nodeId\":\"a\",\"nodeRef\":\"a\",\"type\":\"COMPLETED\",\"level\":\"warn\","
         "\"timestamp\":\"1970-01-01T00:00:00.001Z\",\"message\":\"m\",\"error\":{\"code\":\"E\"},\"outputSummary\":{"
         "\"n\":"
         "1},\"data\":[1],\"metadata\":{\"attempt\":2}}"},
        // Details that are no object have no members.
        {{.time_ms = 1, .stream = STREAM_EVENT},
         "m",
         "\"event_type\":\"node_skipped\",\"technical_details\":[1]",
         "{\"id\":\"7\",\"runId\":\"r\",\"nodeId\":null,\"nodeRef\":null,\"type\":\"SKIPPED\",\"level\":\"warn\","
         "\"timestamp\":\"1970-01-01T00:00:00.001Z\",\"message\":\"m\"}"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        struct record record = cases[i].record;
        record.message = str_of(cases[i].message);
        record.extra = str_of(cases[i].extra);
        assert_true(trace_event_is(&record));
        trace_event_append(&out, &record, STR("r"), 7);
        assert_string_equal(buf_cstr(&out), cases[i].event);
    }
}

static void other_records_are_lines(void **state)
{
    (void)state;
    static const char *const extras[] = {"", "\"event_type\":\"step_input\"", "\"node_id\":\"node_started\""};
    CLEANUP(buf_release) struct buf out = {0};
    for (size_t i = 0; i < ARRAY_LEN(extras); i++) {
        struct record record = {.extra = str_of(extras[i])};
        assert_false(trace_event_is(&record));
    }
    struct record record = {.time_ms = 1, .stream = STREAM_STDERR, .level = LEVEL_DEBUG, .message = STR("x")};
    trace_line_append(&out, &record, STR("r"), 0);
    assert_string_equal(buf_cstr(&out),
                        "{\"id\":\"0\",\"runId\":\"r\",\"nodeId\":null,\"nodeRef\":null,\"stream\":\"stderr\","
                        "\"level\":\"debug\",\"timestamp\":\"1970-01-01T00:00:00.001Z\",\"message\":\"x\"}");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_trace_event_has_its_members),
        cmocka_unit_test(other_records_are_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
