#include "model/record.h"
#include "model/trace_event.h"
#include "model/trace_import.h"
#include "util/testing.h"

static json_t *parse(const char *text)
{
    json_t *object = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_non_null(object);
    return object;
}

struct shown {
    struct buf event;
    const char *run_id;
    uint64_t number;
};

static int show(void *arg, const struct record_input *input)
{
    struct shown *it = arg;
    assert_true(input->has_time);
    trace_event_append(&it->event, &input->record, str_of(it->run_id), it->number);
    return 0;
}

// As a trace shows the record that it becomes.
static void event_again(const char *text, struct buf *ret)
{
    CLEANUP(buf_release) struct buf reason = {0};
    json_t *object = parse(text);
    struct trace_item item;
    if (!trace_item_read(object, &item, &reason))
        fail_msg("%s: %s", text, buf_cstr(&reason));
    assert_false(item.is_state);
    trace_item_set_place(&item, 3);
    struct shown it = {.run_id = item.run_id, .number = item.number};
    struct record_parser *parser = record_parser_new(0);
    char *record = json_dumps(item.record, 0);
    assert_int_equal(record_parse(parser, str_of(record), show, &it, NULL), 0);
    free(record);
    record_parser_free(&parser);
    trace_item_release(&item);
    json_decref(object);
    *ret = it.event;
}

static void an_event_of_a_trace_is_the_same_event_again(void **state)
{
    (void)state;
    static const char *const events[] = {
        "{\"id\":\"7\",\"runId\":\"r\",\"nodeId\":\"a\",\"nodeRef\":\"a\",\"type\":\"STARTED\",\"level\":\"debug\","
        "\"timestamp\":\"2025-10-13T12:00:00.001Z\"}",
        "{\"id\":\"8\",\"runId\":\"r\",\"nodeId\":\"a\",\"nodeRef\":\"a\",\"type\":\"PROGRESS\",\"level\":\"info\","
        "\"timestamp\":\"2025-10-13T12:00:00.002Z\",\"message\":\"h\xc3\xa4lf\",\"data\":{\"a\":[1,null]}}",
        "{\"id\":\"9\",\"runId\":\"r\",\"nodeId\":\"a\",\"nodeRef\":\"a\",\"type\":\"FAILED\",\"level\":\"error\","
        "\"timestamp\":\"2025-10-13T12:00:00.003Z\",\"message\":\"m\",\"error\":{\"message\":\"x\",\"stack\":\"at "
        "y\",\"code\":\"E\"},\"metadata\":{\"attempt\":2,\"correlationId\":\"c\"}}",
        "{\"id\":\"10\",\"runId\":\"r\",\"nodeId\":null,\"nodeRef\":null,\"type\":\"AWAITING_INPUT\",\"level\":"
        "\"warn\",\"timestamp\":\"2025-10-13T12:00:00.004Z\"}",
        "{\"id\":\"11\",\"runId\":\"r\",\"nodeId\":\"a\",\"nodeRef\":\"a\",\"type\":\"COMPLETED\",\"level\":\"info\","
        "\"timestamp\":\"2025-10-13T12:00:00.005Z\",\"outputSummary\":{\"rows\":3}}",
    };
    for (size_t i = 0; i < ARRAY_LEN(events); i++) {
        CLEANUP(buf_release) struct buf again = {0};
        event_again(events[i], &again);
        assert_string_equal(buf_cstr(&again), events[i]);
    }
}

static void columns_of_a_table_and_types_of_engines_are_taken(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf reason = {0};
    json_t *object =
        parse("{\"id\":\"0b7e\",\"run_id\":\"r-1\",\"workflow_id\":\"w\",\"node_ref\":\"n\","
              "\"event_type\":\"Succeeded\",\"timestamp\":\"2025-10-13T12:00:00+02:00\",\"error\":\"none\","
              "\"output_summary\":{\"a\":1},\"sequence\":4,\"message\":null}");
    struct trace_item item;
    assert_true(trace_item_read(object, &item, &reason));
    assert_string_equal(item.run_id, "r-1");
    assert_string_equal(item.workflow_id, "w");
    assert_false(item.numbered);
    assert_int_equal(item.time_ms, INT64_C(1760349600000));
    trace_item_set_place(&item, 12);
    json_t *expected =
        parse("{\"event_type\":\"node_completed\",\"node_id\":\"n\",\"timestamp\":\"2025-10-13T12:00:00"
              "+02:00\",\"technical_details\":{\"error\":{\"message\":\"none\"},\"outputSummary\":{\"a\""
              ":1},\"import\":{\"id\":\"0b7e\",\"type\":\"Succeeded\",\"more\":{\"sequence\":4},\"n\":12}"
              "}}");
    assert_true(json_equal(item.record, expected));
    bool numbered;
    uint64_t number, n;
    assert_true(trace_item_of_record(item.record, &numbered, &number, &n));
    assert_false(numbered);
    assert_int_equal(n, 12);
    json_object_del(json_object_get(expected, "technical_details"), "import");
    assert_false(trace_item_of_record(expected, &numbered, &number, &n));
    json_decref(expected);
    trace_item_release(&item);
    json_decref(object);
}

static void a_state_has_its_times(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf reason = {0};
    json_t *object = parse("{\"runId\":\"r\",\"status\":\"CONTINUED_AS_NEW\",\"startedAt\":\"1970-01-01T00:00:01Z\","
                           "\"completedAt\":\"1970-01-01T00:00:02Z\"}");
    struct trace_item item;
    assert_true(trace_item_read(object, &item, &reason));
    assert_true(item.is_state);
    assert_string_equal(item.state, "CONTINUED_AS_NEW");
    assert_int_equal(item.status, STATUS_COMPLETED);
    assert_int_equal(item.started_ms, 1000);
    assert_int_equal(item.completed_ms, 2000);
    assert_null(item.workflow_id);
    trace_item_release(&item);
    json_decref(object);
}

static void what_is_wrong_is_said(void **state)
{
    (void)state;
    static const struct {
        const char *text, *reason;
    } cases[] = {
        {"[]", "must be a JSON object"},
        {"{}", "runId is missing"},
        {"{\"runId\":4}", "runId must be a string"},
        {"{\"runId\":\"a b\"}", "runId must be letters"},
        {"{\"runId\":\"r\"}", "type is missing"},
        {"{\"runId\":\"r\",\"type\":\"GONE\"}", "type is none that is known; one of: STARTED"},
        {"{\"runId\":\"r\",\"type\":\"STARTED\"}", "timestamp is missing"},
        {"{\"runId\":\"r\",\"type\":\"STARTED\",\"timestamp\":\"noon\"}", "timestamp must be a date and time"},
        {"{\"runId\":\"r\",\"type\":\"STARTED\",\"timestamp\":1}", "timestamp must be a date and time"},
        {"{\"runId\":\"r\",\"type\":\"STARTED\",\"timestamp\":\"2025-10-13T12:00:00Z\",\"level\":\"loud\"}",
         "level must be debug"},
        {"{\"runId\":\"r\",\"type\":\"STARTED\",\"nodeRef\":[]}", "nodeRef must be a string"},
        {"{\"runId\":\"r\",\"status\":\"GONE\"}", "status is no state that is known; one of: queued"},
        {"{\"runId\":\"r\",\"status\":\"FAILED\",\"completedAt\":\"x\"}", "completedAt must be a date and time"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf reason = {0};
        json_t *object = parse(cases[i].text);
        struct trace_item item;
        assert_false(trace_item_read(object, &item, &reason));
        assert_null(item.record);
        assert_memory_equal(buf_cstr(&reason), cases[i].reason, strlen(cases[i].reason));
        json_decref(object);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_of_a_trace_is_the_same_event_again),
        cmocka_unit_test(columns_of_a_table_and_types_of_engines_are_taken),
        cmocka_unit_test(a_state_has_its_times),
        cmocka_unit_test(what_is_wrong_is_said),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
