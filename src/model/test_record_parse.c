#include "model/record.h"
#include "model/testing.h"

#include <jansson.h>

#define GOT_MAX 16

// What the parser handed over. The views stay good until the next parse.
struct got {
    struct record_input inputs[GOT_MAX];
    size_t count;
    int err;
    struct record_problem problem;
};

struct fixture {
    struct record_parser *parser;
    char *copy; // of the text being parsed
    struct got got;
};

static int setup(void **state)
{
    struct fixture *fixture = xcalloc(1, sizeof(*fixture));
    fixture->parser = record_parser_new(RECORD_MESSAGE_MAX);
    *state = fixture;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *fixture = *state;
    record_parser_free(&fixture->parser);
    free(fixture->copy);
    free(fixture);
    return 0;
}

static int collect(void *arg, const struct record_input *input)
{
    struct got *got = arg;
    assert_true(got->count < GOT_MAX);
    got->inputs[got->count++] = *input;
    return 0;
}

static const struct got *parse_bytes(void **state, struct str json)
{
    struct fixture *fixture = *state;
    // A copy of just that length, so that reading behind it is noticed.
    free(fixture->copy);
    char *copy = fixture->copy = json.len > 0 ? memcpy(xmalloc(json.len), json.data, json.len) : NULL;
    fixture->got = (struct got){0};
    fixture->got.err =
        record_parse(fixture->parser, str_n(copy, json.len), collect, &fixture->got, &fixture->got.problem);
    return &fixture->got;
}

static const struct got *parse(void **state, const char *json)
{
    return parse_bytes(state, str_of(json));
}

// The only record of a text that is fine.
static const struct record_input *parse_one(void **state, const char *json)
{
    const struct got *got = parse(state, json);
    assert_int_equal(got->err, 0);
    assert_int_equal(got->count, 1);
    return &got->inputs[0];
}

static void assert_refused(void **state, const char *json, int err, const char *field)
{
    const struct got *got = parse(state, json);
    assert_int_equal(got->err, err);
    assert_string_equal(got->problem.field, field);
    assert_true(strlen(got->problem.reason) > 0);
    assert_int_equal(got->count, 0);
}

static void the_frame_of_the_seeds_runner_is_read(void **state)
{
    const struct record_input *input =
        parse_one(state, "{\"execution_id\": \"exec_abc123\", \"sequence_number\": 42, \"timestamp\": "
                         "\"2025-11-15T10:30:15.123456\", \"stream\": \"stderr\", \"message\": \"a line\"}");
    assert_str(input->execution_id, "exec_abc123");
    assert_true(input->has_sequence_number && input->has_time);
    assert_int_equal(input->sequence_number, 42);
    assert_int_equal(input->record.time_ms, 1763202615123);
    assert_int_equal(input->record.stream, STREAM_STDERR);
    assert_int_equal(input->record.level, LEVEL_UNSET);
    assert_false(input->record.partial);
    assert_str(input->record.message, "a line");
    assert_int_equal(input->record.extra.len, 0);
    assert_int_equal(input->type.len, 0);
}

static void a_message_alone_is_a_line_of_stdout(void **state)
{
    const struct record_input *input = parse_one(state, "{\"message\":\"\"}");
    assert_int_equal(input->record.stream, STREAM_STDOUT);
    assert_int_equal(input->record.message.len, 0);
    assert_false(input->has_time || input->has_sequence_number);
}

static void an_event_type_makes_it_an_event(void **state)
{
    const struct record_input *input = parse_one(state, "{\"event_type\":\"step_started\"}");
    assert_int_equal(input->record.stream, STREAM_EVENT);
    assert_int_equal(input->record.message.len, 0);
    assert_str(input->record.extra, "\"event_type\":\"step_started\"");
    input = parse_one(state, "{\"event_type\":\"NODE_AWAITING_INPUT\"}");
    assert_str(input->record.extra, "\"event_type\":\"node_awaiting_input\"");
    input = parse_one(state, "{\"event_type\":\"FAILED\"}");
    assert_str(input->record.extra, "\"event_type\":\"node_failed\"");
    input = parse_one(state, "{\"event_type\":\"failed\"}"); // a type of somebody's own
    assert_str(input->record.extra, "\"event_type\":\"failed\"");
    input = parse_one(state, "{\"event_type\":\"x\",\"stream\":\"stdout\",\"message\":\"m\"}");
    assert_int_equal(input->record.stream, STREAM_STDOUT);
}

static void structured_fields_become_canonical(void **state)
{
    const struct record_input *input = parse_one(
        state, "{ \"producer\" : \"p\\u0041\", \"data\" : { \"k\" : [ 1 , -2.50e3, true , null, \"\\u00e9\\/\" ] } ,\n"
               "\"is_milestone\":false, \"display_priority\":10, \"duration_seconds\": 1.50,"
               "\"progress_percentage\": 33.335, \"total_steps\":3, \"step_number\": 0, \"node_type\":\"t\","
               "\"node_name\":\"n\\\\m\", \"node_id\":\"n1\", \"log_category\":\"business\", \"message\":\"m\","
               "\"stack_trace\":null, \"event_type\":\"node_failed\", \"level\":\"warn\", \"partial\":true}");
    assert_str(input->record.extra,
               "\"event_type\":\"node_failed\",\"category\":\"business\",\"node_id\":\"n1\",\"node_name\":\"n\\\\m\","
               "\"node_type\":\"t\",\"step_number\":0,\"total_steps\":3,\"progress_percentage\":33.34,"
               "\"duration_seconds\":1.50,\"display_priority\":10,\"is_milestone\":false,"
               "\"data\":{\"k\":[1,-2.50e3,true,null,\"\xc3\xa9/\"]},\"producer\":\"pA\"");
    assert_int_equal(input->record.level, LEVEL_WARNING);
    assert_true(input->record.partial);
    struct fixture *fixture = *state;
    assert_true(record_extra_valid(fixture->parser, input->record.extra));
}

static void percentages_keep_two_decimals(void **state)
{
    const struct {
        const char *given, *kept;
    } cases[] = {{"0", "0"},         {"100", "100"},    {"100.004", "100"}, {"12.5", "12.5"},
                 {"0.05", "0.05"},   {"0.005", "0.01"}, {"0.0049", "0"},    {"1e1", "10"},
                 {"1E+2", "100"},    {"1e-2", "0.01"},  {"1e-999", "0"},    {"0e999", "0"},
                 {"99.99", "99.99"}, {"50.00", "50"},   {"0.1e1", "1"},     {"33.333333333333333333333333", "33.33"}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(free_ptr) char *json = xasprintf("{\"message\":\"\",\"progress_percentage\":%s}", cases[i].given);
        CLEANUP(free_ptr) char *extra = xasprintf("\"progress_percentage\":%s", cases[i].kept);
        assert_str(parse_one(state, json)->record.extra, extra);
    }
    const char *const wrong[] = {"-1", "100.01", "100.005", "101", "1e3", "1e999", "\"5\"", "true"};
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        CLEANUP(free_ptr) char *json = xasprintf("{\"message\":\"\",\"progress_percentage\":%s}", wrong[i]);
        assert_refused(state, json, ERR_INVALID, "progress_percentage");
    }
}

static void escapes_are_decoded_and_plain_strings_are_not_copied(void **state)
{
    struct str json = STR("{\"message\":\"plain\"}");
    struct fixture *fixture = *state;
    fixture->got = (struct got){0};
    assert_int_equal(record_parse(fixture->parser, json, collect, &fixture->got, NULL), 0);
    assert_ptr_equal(fixture->got.inputs[0].record.message.data, json.data + 12);

    assert_str(parse_one(state, "{\"message\":\"\\\"\\\\\\/\\b\\f\\n\\r\\t\\u00e9\\ud83d\\ude00!\"}")->record.message,
               "\"\\/\b\f\n\r\t\xc3\xa9\xf0\x9f\x98\x80!");
    assert_str(parse_one(state, "{\"mess\\u0061ge\":\"x\"}")->record.message, "x");
    const struct record *record = &parse_one(state, "{\"message\":\"a\\u0000b\"}")->record;
    assert_str_same(record->message, STR("a\0b"));
}

static void lone_surrogates_become_the_replacement_character(void **state)
{
    assert_str(parse_one(state, "{\"message\":\"\\ud800\"}")->record.message, "\xef\xbf\xbd");
    assert_str(parse_one(state, "{\"message\":\"\\udc00x\"}")->record.message, "\xef\xbf\xbdx");
    assert_str(parse_one(state, "{\"message\":\"\\ud800\\u0041\"}")->record.message, "\xef\xbf\xbd"
                                                                                     "A");
    assert_str(parse_one(state, "{\"message\":\"\\ud800\\ud800\\udc00\"}")->record.message,
               "\xef\xbf\xbd\xf0\x90\x80\x80");
    assert_str(parse_one(state, "{\"event_type\":\"x\",\"data\":\"\\ud800\"}")->record.extra,
               "\"event_type\":\"x\",\"data\":\"\xef\xbf\xbd\"");
}

static void arrays_and_lines_give_each_object(void **state)
{
    const char *const texts[] = {
        "[{\"message\":\"1\"},{\"message\":\"\\u0032\"} , {\"message\":\"3\"}]\n",
        "{\"message\":\"1\"}\n{\"message\":\"\\u0032\"}\r\n\n {\"message\":\"3\"}",
        "\n{\"message\":\"1\"}\n{\"message\":\"\\u0032\"}\n{\"message\":\"3\"}\n",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct got *got = parse(state, texts[i]);
        assert_int_equal(got->err, 0);
        assert_int_equal(got->count, 3);
        assert_str(got->inputs[0].record.message, "1");
        assert_str(got->inputs[1].record.message, "2");
        assert_str(got->inputs[2].record.message, "3");
    }
    const struct got *got = parse(state, " [ ] ");
    assert_int_equal(got->err, 0);
    assert_int_equal(got->count, 0);
}

static void the_problem_names_the_object_and_the_field(void **state)
{
    const struct got *got = parse(state, "[{\"message\":\"1\"},{\"message\":\"2\",\"level\":\"loud\"}]");
    assert_int_equal(got->err, ERR_INVALID);
    assert_string_equal(got->problem.field, "[1].level");
    assert_int_equal(got->count, 1);
    got = parse(state, "{\"message\":\"1\"}\n{\"level\":\"INFO\"}");
    assert_int_equal(got->err, ERR_INVALID);
    assert_string_equal(got->problem.field, "[1].message");
}

static void wrong_fields_are_refused_by_name(void **state)
{
    const struct {
        const char *json, *field;
    } cases[] = {
        {"{}", "message"},
        {"{\"message\":null}", "message"},
        {"{\"message\":5}", "message"},
        {"{\"message\":\"\",\"colour\":1}", "colour"},
        {"{\"message\":\"\",\"message\":\"\"}", "message"},
        {"{\"message\":\"\",\"category\":\"business\",\"log_category\":\"business\"}", "category"},
        {"{\"message\":\"\",\"category\":\"other\"}", "category"},
        {"{\"message\":\"\",\"stream\":\"stdin\"}", "stream"},
        {"{\"message\":\"\",\"stream\":1}", "stream"},
        {"{\"message\":\"\",\"level\":\"loud\"}", "level"},
        {"{\"message\":\"\",\"partial\":1}", "partial"},
        {"{\"message\":\"\",\"timestamp\":\"yesterday\"}", "timestamp"},
        {"{\"message\":\"\",\"timestamp\":1763202615}", "timestamp"},
        {"{\"message\":\"\",\"sequence_number\":-1}", "sequence_number"},
        {"{\"message\":\"\",\"sequence_number\":1.0}", "sequence_number"},
        {"{\"message\":\"\",\"sequence_number\":9223372036854775808}", "sequence_number"},
        {"{\"message\":\"\",\"execution_id\":7}", "execution_id"},
        {"{\"message\":\"\",\"type\":7}", "type"},
        {"{\"message\":\"\",\"event_type\":\"Step\"}", "event_type"},
        {"{\"message\":\"\",\"event_type\":\"1x\"}", "event_type"},
        {"{\"message\":\"\",\"event_type\":\"\"}", "event_type"},
        {"{\"message\":\"\",\"step_number\":1.5}", "step_number"},
        {"{\"message\":\"\",\"step_number\":2147483648}", "step_number"},
        {"{\"message\":\"\",\"display_priority\":0}", "display_priority"},
        {"{\"message\":\"\",\"display_priority\":11}", "display_priority"},
        {"{\"message\":\"\",\"duration_seconds\":-0.5}", "duration_seconds"},
        {"{\"message\":\"\",\"is_milestone\":\"true\"}", "is_milestone"},
        {"{\"message\":\"\",\"node_id\":[]}", "node_id"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_refused(state, cases[i].json, ERR_INVALID, cases[i].field);
}

static void limits_count_characters_and_bytes_as_the_contract_says(void **state)
{
    CLEANUP(buf_release) struct buf json = {0};
    // 255 characters of two bytes are fine, 256 are not.
    for (unsigned count = 255; count <= 256; count++) {
        buf_reset(&json);
        buf_append_text(&json, "{\"message\":\"\",\"node_id\":\"");
        for (unsigned i = 0; i < count; i++)
            buf_append_text(&json, "\xc3\xa9");
        buf_append_text(&json, "\"}");
        assert_int_equal(parse_bytes(state, buf_str(&json))->err, count == 255 ? 0 : ERR_INVALID);
    }
    for (size_t len = RECORD_MESSAGE_MAX; len <= RECORD_MESSAGE_MAX + 1; len++) {
        buf_reset(&json);
        buf_append_text(&json, "{\"message\":\"\\u0041");
        for (size_t i = 1; i < len; i++)
            buf_append_byte(&json, 'x');
        buf_append_text(&json, "\"}");
        assert_int_equal(parse_bytes(state, buf_str(&json))->err, len == RECORD_MESSAGE_MAX ? 0 : ERR_TOO_LONG);
    }
    for (size_t len = RECORD_EXTRA_MAX - 9; len <= RECORD_EXTRA_MAX - 8; len++) {
        buf_reset(&json);
        buf_append_text(&json, "{\"message\":\"\",\"data\":\"");
        for (size_t i = 0; i < len; i++)
            buf_append_byte(&json, 'x');
        buf_append_text(&json, "\"}");
        assert_int_equal(parse_bytes(state, buf_str(&json))->err, len == RECORD_EXTRA_MAX - 9 ? 0 : ERR_TOO_LARGE);
    }
}

static void what_is_not_json_is_malformed(void **state)
{
    const char *const texts[] = {
        "",
        " ",
        "{",
        "[",
        "[{\"message\":\"\"}",
        "[{\"message\":\"\"},]",
        "[{\"message\":\"\"}] x",
        "5",
        "\"message\"",
        "null",
        "[5]",
        "{message:\"\"}",
        "{\"message\":\"\",}",
        "{\"message\":\"\"} {\"message\":\"\"}",
        "{\"message\":\"\"}x",
        "{\"message\":'a'}",
        "{\"message\":\"a\nb\"}",
        "{\"message\":\"\\x41\"}",
        "{\"message\":\"\\u12g4\"}",
        "{\"message\":\"\xff\"}",
        "{\"message\":\"\xed\xa0\x80\"}",
        "{\"message\":\"\",\"data\":01}",
        "{\"message\":\"\",\"data\":1.}",
        "{\"message\":\"\",\"data\":.5}",
        "{\"message\":\"\",\"data\":1e}",
        "{\"message\":\"\",\"data\":+1}",
        "{\"message\":\"\",\"data\":nul}",
        "{\"message\":\"\",\"data\":[1 2]}",
        "{\"message\":\"\",\"data\":{\"a\"}}",
        "{\"message\":\"\",\"data\":[}",
        "\xef\xbb\xbf{\"message\":\"\"}",
        // Syntax goes first.
        "{\"colour\":1,\"message\":}",
    };
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        const struct got *got = parse(state, texts[i]);
        assert_int_equal(got->err, ERR_MALFORMED);
        assert_non_null(strstr(got->problem.field, "body"));
    }
}

static void nesting_is_bounded(void **state)
{
    CLEANUP(buf_release) struct buf json = {0};
    for (unsigned depth = 63; depth <= 64; depth++) {
        buf_reset(&json);
        buf_append_text(&json, "{\"message\":\"\",\"data\":");
        for (unsigned i = 0; i < depth; i++)
            buf_append_byte(&json, '[');
        for (unsigned i = 0; i < depth; i++)
            buf_append_byte(&json, ']');
        buf_append_byte(&json, '}');
        assert_int_equal(parse_bytes(state, buf_str(&json))->err, depth == 63 ? 0 : ERR_MALFORMED);
    }
}

static void control_frames_are_handed_over_unjudged(void **state)
{
    const struct record_input *input = parse_one(
        state, "{\"exit_code\":0,\"type\":\"complete\",\"execution_id\":\"e\",\"final_sequence\":41,\"message\":7}");
    assert_str(input->type, "complete");
    assert_str(input->execution_id, "e");
    assert_int_equal(input->record.message.len, 0);
    input = parse_one(state, "{\"type\":\"log\",\"message\":\"m\",\"index\":9,\"log_id\":\"log_x\"}");
    assert_str(input->type, "log");
    assert_str(input->record.message, "m");
    assert_refused(state, "{\"type\":\"log\",\"exit_code\":0,\"message\":\"m\"}", ERR_INVALID, "exit_code");
}

static int stop(void *arg, const struct record_input *input)
{
    (void)input;
    return ++*(int *)arg == 2 ? ERR_GAP : 0;
}

static void the_callers_refusal_ends_it(void **state)
{
    struct fixture *fixture = *state;
    int calls = 0;
    struct str json = STR("[{\"message\":\"\"},{\"message\":\"\"},{\"message\":\"\"}]");
    assert_int_equal(record_parse(fixture->parser, json, stop, &calls, NULL), ERR_GAP);
    assert_int_equal(calls, 2);
}

static void only_the_canonical_form_of_extras_is_valid(void **state)
{
    struct fixture *fixture = *state;
    const char *const valid[] = {"", "\"event_type\":\"x\"", "\"category\":\"business\",\"data\":{\"a\":[1,2]}",
                                 "\"data\":\"\\u0000\\n\""};
    for (size_t i = 0; i < ARRAY_LEN(valid); i++)
        assert_true(record_extra_valid(fixture->parser, str_of(valid[i])));
    const char *const invalid[] = {
        " ",
        "\"event_type\":\"x\" ",
        "\"event_type\": \"x\"",
        "\"event_type\":\"x\",",
        "\"node_id\":\"n\",\"event_type\":\"x\"",
        "\"event_type\":\"x\",\"event_type\":\"x\"",
        "\"event_type\":\"X\"",
        "\"log_category\":\"business\"",
        "\"data\":null",
        "\"data\":\"\\u000a\"",
        "\"data\":\"\\u0041\"",
        "\"data\":1}",
        "\"data\":1},{\"data\":1",
        "\"message\":\"m\"",
        "\"index\":1",
        "\"colour\":1",
        "\"progress_percentage\":50.0",
        "\"data\":\"\xff\"",
    };
    for (size_t i = 0; i < ARRAY_LEN(invalid); i++)
        assert_false(record_extra_valid(fixture->parser, str_of(invalid[i])));
}

static void members_of_extras_are_found(void **state)
{
    (void)state;
    struct str extra = STR("\"event_type\":\"x\",\"node_id\":\"a\\\"\\n,b\",\"display_priority\":7,"
                           "\"data\":{\"node_name\":[\"]}\",{}]},\"producer\":\"p\"");
    struct str json;
    CLEANUP(buf_release) struct buf scratch = {0};
    assert_true(record_extra_get(extra, STR("event_type"), &json));
    assert_str(json, "\"x\"");
    assert_true(record_extra_get(extra, STR("display_priority"), &json));
    assert_str(json, "7");
    assert_true(record_extra_get(extra, STR("data"), &json));
    assert_str(json, "{\"node_name\":[\"]}\",{}]}");
    assert_true(record_extra_get(extra, STR("producer"), &json));
    assert_str(json, "\"p\"");
    assert_false(record_extra_get(extra, STR("node_name"), &json));
    assert_false(record_extra_get(str_n(NULL, 0), STR("data"), &json));
    assert_true(record_extra_string(extra, STR("node_id"), &scratch, &json));
    assert_str(json, "a\"\n,b");
    assert_true(record_extra_string(extra, STR("producer"), &scratch, &json));
    assert_str(json, "p");
    assert_false(record_extra_string(extra, STR("display_priority"), &scratch, &json));
}

static void extras_made_by_us_are_canonical(void **state)
{
    struct fixture *fixture = *state;
    CLEANUP(buf_release) struct buf extra = {0};
    record_extra_append_string(&extra, "event_type", STR("capture_interrupted"));
    record_extra_append_string(&extra, "node_id", STR("a\"b\n\xff"));
    record_extra_append_json(&extra, "data", STR("{\"lost\":3}"));
    assert_str(buf_str(&extra), "\"event_type\":\"capture_interrupted\",\"node_id\":\"a\\\"b\\n\xef\xbf\xbd\","
                                "\"data\":{\"lost\":3}");
    assert_true(record_extra_valid(fixture->parser, buf_str(&extra)));
}

static void what_is_written_is_read_back(void **state)
{
    uint64_t seed = 3;
    for (unsigned i = 0; i < 2000; i++) {
        struct random_record made;
        CLEANUP(buf_release) struct buf json = {0};
        random_record_make(&seed, i % (RANDOM_ALL + 1), &made);
        record_append_json(&json, &made.record, STR("exec_1"), i, i & 1);
        const struct got *got = parse_bytes(state, buf_str(&json));
        assert_int_equal(got->err, 0);
        assert_int_equal(got->inputs[0].sequence_number, i);
        if (!utf8_valid(made.record.message.data, made.record.message.len))
            continue;
        struct record expected = made.record;
        expected.level = record_level_of(&made.record); // it is shown with that
        assert_record_same(&got->inputs[0].record, &expected);
    }
}

// Random texts close to JSON: both accept or both refuse, and they agree on the message.
static void jansson_accepts_and_refuses_the_same_objects(void **state)
{
    static const char *const parts[] = {"{",           "}",        "[",   "]",       ",",           ":",
                                        "\"message\"", "\"a\"",    "1",   "-0.5",    "1e3",         "01",
                                        "true",        "null",     " ",   "\"\\n\"", "\"\\u00e9\"", "\"\xc3\xa9\"",
                                        "\"\xc3\"",    "\"data\"", "tru", "\"",      "\\"};
    uint64_t seed = 4;
    unsigned accepted = 0;
    for (unsigned i = 0; i < 200000; i++) {
        CLEANUP(buf_release) struct buf json = {0};
        buf_append_text(&json, "{\"message\":\"m\"");
        unsigned count = (unsigned)(test_random(&seed) % 8);
        // A start that is right more often gets deeper.
        if (count > 0)
            buf_append_text(&json, ",\"data\":");
        for (unsigned k = 0; k < count; k++)
            buf_append_text(&json, parts[test_random(&seed) % ARRAY_LEN(parts)]);
        buf_append_byte(&json, '}');
        const struct got *got = parse_bytes(state, buf_str(&json));
        json_error_t error;
        json_t *parsed = json_loadb(json.data, json.len, JSON_ALLOW_NUL, &error);
        // Numbers are kept as they are written, so none is too large for us.
        if (!parsed && json_error_code(&error) == json_error_numeric_overflow)
            continue;
        assert_int_equal(parsed != NULL, got->err != ERR_MALFORMED);
        accepted += parsed != NULL;
        json_decref(parsed);
    }
    assert_in_range(accepted, 10000, 190000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_frame_of_the_seeds_runner_is_read, setup, teardown),
        cmocka_unit_test_setup_teardown(a_message_alone_is_a_line_of_stdout, setup, teardown),
        cmocka_unit_test_setup_teardown(an_event_type_makes_it_an_event, setup, teardown),
        cmocka_unit_test_setup_teardown(structured_fields_become_canonical, setup, teardown),
        cmocka_unit_test_setup_teardown(percentages_keep_two_decimals, setup, teardown),
        cmocka_unit_test_setup_teardown(escapes_are_decoded_and_plain_strings_are_not_copied, setup, teardown),
        cmocka_unit_test_setup_teardown(lone_surrogates_become_the_replacement_character, setup, teardown),
        cmocka_unit_test_setup_teardown(arrays_and_lines_give_each_object, setup, teardown),
        cmocka_unit_test_setup_teardown(the_problem_names_the_object_and_the_field, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_fields_are_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(limits_count_characters_and_bytes_as_the_contract_says, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_not_json_is_malformed, setup, teardown),
        cmocka_unit_test_setup_teardown(nesting_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(control_frames_are_handed_over_unjudged, setup, teardown),
        cmocka_unit_test_setup_teardown(the_callers_refusal_ends_it, setup, teardown),
        cmocka_unit_test_setup_teardown(only_the_canonical_form_of_extras_is_valid, setup, teardown),
        cmocka_unit_test_setup_teardown(members_of_extras_are_found, setup, teardown),
        cmocka_unit_test_setup_teardown(extras_made_by_us_are_canonical, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_written_is_read_back, setup, teardown),
        cmocka_unit_test_setup_teardown(jansson_accepts_and_refuses_the_same_objects, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
