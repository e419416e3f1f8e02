#include "model/record.h"
#include "model/testing.h"

#include <jansson.h>

static void names_parse_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STREAM_COUNT; i++) {
        enum record_stream stream = STREAM_COUNT;
        assert_true(record_stream_parse(str_of(record_stream_name((enum record_stream)i)), &stream));
        assert_int_equal(stream, i);
    }
    for (unsigned i = LEVEL_DEBUG; i < LEVEL_COUNT; i++) {
        enum record_level level = LEVEL_UNSET;
        assert_true(record_level_parse(str_of(record_level_name((enum record_level)i)), &level));
        assert_int_equal(level, i);
    }
    assert_null(record_level_name(LEVEL_UNSET));
}

static void levels_are_normalised(void **state)
{
    (void)state;
    enum record_level level;
    assert_true(record_level_parse(STR("warn"), &level) && level == LEVEL_WARNING);
    assert_true(record_level_parse(STR("Fatal"), &level) && level == LEVEL_CRITICAL);
    assert_true(record_level_parse(STR("dEbUg"), &level) && level == LEVEL_DEBUG);
    assert_false(record_level_parse(STR(""), &level));
    assert_false(record_level_parse(STR("loud"), &level));
    enum record_stream stream;
    assert_false(record_stream_parse(STR("STDOUT"), &stream));
}

static void the_hash_covers_all_but_the_time(void **state)
{
    (void)state;
    struct record base = {.message = STR("ab"), .extra = STR("\"data\":1")};
    struct record other = base;
    uint64_t hash = record_hash(&base);
    other.time_ms = 99;
    assert_int_equal(record_hash(&other), hash);
    other.stream = STREAM_STDERR;
    assert_int_not_equal(record_hash(&other), hash);
    other = base, other.partial = true;
    assert_int_not_equal(record_hash(&other), hash);
    other = base, other.level = LEVEL_INFO;
    assert_int_not_equal(record_hash(&other), hash);
    other = base, other.message = STR("a");
    assert_int_not_equal(record_hash(&other), hash);
    other = base, other.extra = STR("\"data\":2");
    assert_int_not_equal(record_hash(&other), hash);
    // A byte that moves from the message to the extra.
    other = (struct record){.message = STR("ab\""), .extra = STR("data\":1")};
    assert_int_not_equal(record_hash(&other), hash);
}

static void the_digest_depends_on_the_order(void **state)
{
    (void)state;
    struct record a = {.message = STR("a")}, b = {.message = STR("b")};
    assert_int_not_equal(record_digest_next(record_digest_next(0, &a), &b),
                         record_digest_next(record_digest_next(0, &b), &a));
    assert_int_equal(record_digest_next(0, &a), record_hash(&a));
}

// Others may compute it, so it must never change: XXH3-64 of kind, length and bytes.
static void the_digest_of_known_records_is_known(void **state)
{
    (void)state;
    struct record record = {.stream = STREAM_STDERR, .level = LEVEL_ERROR, .partial = true, .message = STR("hello")};
    char long_message[3000];
    memset(long_message, 'x', sizeof(long_message));
    assert_int_equal(record_digest_next(0, &record), 0xf4936541ef3b4bc5);
    record.message = str_n(long_message, sizeof(long_message));
    assert_int_equal(record_digest_next(1, &record), 0x2c73b91267dfbee7);
}

static void json_shows_the_members_in_the_order_of_the_contract(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    struct record record = {.time_ms = 1763202615123, .message = STR("Processing file data.csv...")};
    record_append_json(&out, &record, STR("exec_abc123"), 42, true);
    assert_str(buf_str(&out), "{\"type\":\"log\",\"execution_id\":\"exec_abc123\",\"sequence_number\":42,\"index\":43,"
                              "\"timestamp\":\"2025-11-15T10:30:15.123Z\",\"stream\":\"stdout\","
                              "\"message\":\"Processing file data.csv...\"}");
    buf_reset(&out);
    record = (struct record){.time_ms = -1,
                             .stream = STREAM_EVENT,
                             .level = LEVEL_ERROR,
                             .partial = true,
                             .message = STR("\"\xff"),
                             .extra = STR("\"event_type\":\"x\"")};
    record_append_json(&out, &record, STR("e"), 0, false);
    assert_str(buf_str(&out),
               "{\"execution_id\":\"e\",\"sequence_number\":0,\"index\":1,"
               "\"timestamp\":\"1969-12-31T23:59:59.999Z\",\"stream\":\"event\","
               "\"message\":\"\\\"\xef\xbf\xbd\",\"partial\":true,\"level\":\"ERROR\",\"event_type\":\"x\"}");
}

static void the_longest_execution_id_fits(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    char id[256] = {0};
    memset(id, 'i', 255);
    struct record record = {.message = STR("m")};
    record_append_json(&out, &record, str_of(id), UINT64_MAX - 1, true);
    json_t *parsed = json_loadb(out.data, out.len, JSON_DISABLE_EOF_CHECK, NULL);
    // Its numbers are beyond what jansson takes, so only the text is compared.
    json_decref(parsed);
    assert_non_null(memmem(out.data, out.len, id, 255));
    assert_non_null(memmem(out.data, out.len, ",\"index\":18446744073709551615,", 30));
}

// What the shared second of the encoder hides is just what the clock's own formatter says.
static void timestamps_are_those_of_the_clock(void **state)
{
    (void)state;
    uint64_t seed = 1;
    struct record_encoder encoder;
    record_encoder_init(&encoder, STR("e"), false);
    int64_t time_ms = 1763202615123;
    for (unsigned i = 0; i < 3000; i++) {
        CLEANUP(buf_release) struct buf out = {0};
        char expected[TIME_RFC3339_LEN];
        time_ms += (int64_t)(test_random(&seed) % 1500) - 700;
        if (i % 100 == 99)
            time_ms = (int64_t)(test_random(&seed) % 100000000000) - 50000000000;
        struct record record = {.time_ms = time_ms};
        record_encoder_append(&encoder, &out, &record, i);
        time_format_rfc3339(time_ms, expected);
        assert_non_null(memmem(out.data, out.len, expected, sizeof(expected)));
    }
    const int64_t extremes[] = {INT64_MIN, INT64_MAX};
    for (size_t i = 0; i < ARRAY_LEN(extremes); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        struct record record = {.time_ms = extremes[i]};
        record_encoder_append(&encoder, &out, &record, 0);
        assert_non_null(memmem(out.data, out.len, i == 0 ? "\"0000-01-01T00" : "\"9999-12-31T23", 14));
    }
}

static const char *member(const json_t *object, const char *name)
{
    return json_string_value(json_object_get(object, name));
}

static void jansson_reads_what_is_written(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (unsigned i = 0; i < 2000; i++) {
        struct random_record made;
        CLEANUP(buf_release) struct buf out = {0};
        random_record_make(&seed, i % (RANDOM_ALL + 1), &made);
        const struct record *record = &made.record;
        record_append_json(&out, record, STR("exec_1"), i, i & 1);
        json_error_t error;
        json_t *parsed = json_loadb(out.data, out.len, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
        assert_non_null(parsed);
        assert_int_equal(json_integer_value(json_object_get(parsed, "sequence_number")), i);
        assert_int_equal(json_integer_value(json_object_get(parsed, "index")), i + 1);
        assert_string_equal(member(parsed, "execution_id"), "exec_1");
        assert_string_equal(member(parsed, "stream"), record_stream_name(record->stream));
        assert_int_equal(json_is_true(json_object_get(parsed, "partial")), record->partial);
        int64_t time_ms = 0;
        assert_true(time_parse_rfc3339(str_of(member(parsed, "timestamp")), &time_ms));
        assert_int_equal(time_ms, record->time_ms);
        if (record_level_of(record) == LEVEL_UNSET)
            assert_null(json_object_get(parsed, "level"));
        else
            assert_string_equal(member(parsed, "level"), record_level_name(record_level_of(record)));
        assert_int_equal(json_is_true(json_object_get(parsed, "continues")), record->continues);
        json_t *message = json_object_get(parsed, "message");
        if (utf8_valid(record->message.data, record->message.len))
            assert_str_same(str_n(json_string_value(message), json_string_length(message)), record->message);
        if (record->extra.len > 0)
            assert_true(json_object_size(parsed) > 6);
        json_decref(parsed);
    }
}

static void csv_quotes_only_what_needs_it(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    struct record record = {.time_ms = 1763202615123, .message = STR("plain text"), .level = LEVEL_INFO};
    buf_append_text(&out, record_csv_header);
    record_append_csv(&out, &record, STR("exec_1"), 0);
    record.stream = STREAM_STDERR, record.level = LEVEL_UNSET, record.message = STR("a,\"b\"\n");
    record_append_csv(&out, &record, STR("exec_1"), 1);
    assert_str(buf_str(&out), "execution_id,sequence_number,index,timestamp,stream,level,message\r\n"
                              "exec_1,0,1,2025-11-15T10:30:15.123Z,stdout,INFO,plain text\r\n"
                              "exec_1,1,2,2025-11-15T10:30:15.123Z,stderr,,\"a,\"\"b\"\"\n\"\r\n");
}

static void an_event_without_a_level_has_that_of_its_type(void **state)
{
    (void)state;
    static const struct {
        const char *type;
        enum record_level level;
    } cases[] = {
        {"node_started", LEVEL_INFO},     {"node_progress", LEVEL_INFO},
        {"node_completed", LEVEL_INFO},   {"node_awaiting_input", LEVEL_WARNING},
        {"node_skipped", LEVEL_WARNING},  {"node_failed", LEVEL_ERROR},
        {"step_started", LEVEL_INFO},     {"step_completed", LEVEL_INFO},
        {"step_error", LEVEL_ERROR},      {"workflow_progress", LEVEL_INFO},
        {"workflow_failed", LEVEL_ERROR}, {"step_input", LEVEL_UNSET},
        {"node_", LEVEL_UNSET},           {"node_x_failed", LEVEL_UNSET},
        {"failed", LEVEL_UNSET},          {"my_node_failed", LEVEL_UNSET},
        {"separator", LEVEL_UNSET},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char extra[100];
        snprintf(extra, sizeof(extra), "\"event_type\":\"%s\",\"node_id\":\"a\"", cases[i].type);
        struct record record = {.stream = STREAM_EVENT, .extra = str_of(extra)};
        assert_int_equal(record_level_of(&record), cases[i].level);
        record.level = LEVEL_DEBUG;
        assert_int_equal(record_level_of(&record), LEVEL_DEBUG); // its own goes first
    }
    struct record plain = {.extra = STR("\"node_id\":\"event_type\"")};
    assert_int_equal(record_level_of(&plain), LEVEL_UNSET);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_parse_back),
        cmocka_unit_test(levels_are_normalised),
        cmocka_unit_test(the_hash_covers_all_but_the_time),
        cmocka_unit_test(the_digest_depends_on_the_order),
        cmocka_unit_test(the_digest_of_known_records_is_known),
        cmocka_unit_test(json_shows_the_members_in_the_order_of_the_contract),
        cmocka_unit_test(the_longest_execution_id_fits),
        cmocka_unit_test(timestamps_are_those_of_the_clock),
        cmocka_unit_test(jansson_reads_what_is_written),
        cmocka_unit_test(an_event_without_a_level_has_that_of_its_type),
        cmocka_unit_test(csv_quotes_only_what_needs_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
