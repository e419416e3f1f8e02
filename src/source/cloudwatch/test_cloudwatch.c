#include "http/compress.h"
#include "source/cloudwatch/cloudwatch.h"
#include "util/base64.h"
#include "util/testing.h"

struct got {
    struct buf text; // what came, a line each
    unsigned refused;
};

static void each(void *arg, const struct arrival *it)
{
    struct got *got = arg;
    buf_printf(&got->text, "%.*s|%.*s|%lld|%s|%s|", (int)it->execution_id.len, it->execution_id.data, (int)it->id.len,
               it->id.data, (long long)it->record.time_ms, record_stream_name(it->record.stream),
               record_level_word(it->record.level));
    buf_append_str(&got->text, it->record.message);
    buf_append_byte(&got->text, '\n');
}

static void refused(void *arg, const char *reason)
{
    assert_non_null(reason);
    ((struct got *)arg)->refused++;
}

static int read_bytes(struct str bytes, size_t room, struct got *got)
{
    CLEANUP(free_ptr) char *text = xmalloc(BASE64_LEN(bytes.len) + 1);
    struct cloudwatch *cloudwatch = cloudwatch_new();
    const char *reason = NULL;
    *got = (struct got){0};
    size_t len = base64_encode(bytes.data, bytes.len, text);
    const struct arrival_reader reader = {each, refused, got};
    int err = cloudwatch_read(cloudwatch, str_n(text, len), &room, &reader, &reason);
    assert_int_equal(err != 0, reason != NULL);
    cloudwatch_free(&cloudwatch);
    return err;
}

static void pack(struct str plain, struct buf *out)
{
    struct http_encoder *encoder = http_encoder_new(CODING_GZIP);
    http_encoder_write(encoder, plain.data, plain.len, out);
    http_encoder_finish(encoder, out);
    http_encoder_free(&encoder);
}

#define HEAD                                                                                                 \
    "{\"messageType\":\"DATA_MESSAGE\",\"owner\":\"123456789012\",\"logGroup\":\"/ecs/jobs\",\"logStream\":" \
    "\"task/runner/run-1\",\"subscriptionFilters\":[\"all\"],\"logEvents\":["

static void a_payload_becomes_events_of_what_its_stream_names(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf packed = {0};
    struct got got;
    pack(STR(HEAD "{\"id\":\"31953106606966983378809025079804211143289615424298221568\",\"timestamp\":1432826855000,"
                  "\"message\":\"one\"},{\"id\":\"2\",\"timestamp\":1432826854000,\"message\":\"two\","
                  "\"extractedFields\":{\"$.level\":\"error\",\"stream\":\"stderr\",\"run_id\":\"other\"}}]}"),
         &packed);
    assert_int_equal(read_bytes(buf_str(&packed), 4096, &got), 0);
    assert_string_equal(buf_cstr(&got.text),
                        "run-1|31953106606966983378809025079804211143289615424298221568|1432826855000|stdout|info|one\n"
                        "other|2|1432826854000|stderr|error|two\n");
    buf_release(&got.text);
}

static void payloads_that_firehose_has_unpacked_may_stand_one_behind_the_other(void **state)
{
    (void)state;
    struct got got;
    assert_int_equal(read_bytes(STR(HEAD "{\"id\":\"1\",\"timestamp\":1,\"message\":\"a\"}]}\n" HEAD
                                         "{\"id\":\"2\",\"timestamp\":2,\"message\":\"b\"}]}"),
                                4096, &got),
                     0);
    assert_string_equal(buf_cstr(&got.text), "run-1|1|1|stdout|info|a\nrun-1|2|2|stdout|info|b\n");
    buf_release(&got.text);
}

static void texts_that_a_document_usually_has_not_are_taken(void **state)
{
    (void)state;
    struct got got;
    assert_int_equal(read_bytes(STR(HEAD "{\"id\":\"1\",\"timestamp\":1,\"message\":\"a\\ud83d\"}]}" HEAD
                                         "{\"id\":\"2\",\"timestamp\":2,\"message\":\"b\\u0000c\"}]}"),
                                4096, &got),
                     0);
    assert_true(str_eq(buf_str(&got.text), STR("run-1|1|1|stdout|info|a\xef\xbf\xbd\nrun-1|2|2|stdout|info|b\0c\n")));
    buf_release(&got.text);
}

static void a_control_message_has_no_events(void **state)
{
    (void)state;
    struct got got;
    assert_int_equal(
        read_bytes(STR("{\"messageType\":\"CONTROL_MESSAGE\",\"owner\":\"CloudwatchLogs\",\"logGroup\":\"\","
                       "\"logStream\":\"\",\"subscriptionFilters\":[],\"logEvents\":[{\"id\":\"\",\"timestamp\":1,"
                       "\"message\":\"CWL CONTROL MESSAGE: Checking health of destination Firehose.\"}]}"),
                   4096, &got),
        0);
    assert_int_equal(got.text.len, 0);
}

static void what_is_no_payload_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "x",
        "[]",
        "{}",
        "{\"messageType\":\"DATA_MESSAGE\"}",
        "{\"messageType\":\"OTHER\",\"logEvents\":[]}",
        HEAD "{\"id\":\"1\",\"timestamp\":\"1\",\"message\":\"a\"}]}",
        HEAD "{\"id\":\"1\",\"timestamp\":-1,\"message\":\"a\"}]}",
        HEAD "{\"id\":\"1\",\"timestamp\":253402300800000,\"message\":\"a\"}]}",
        HEAD "{\"id\":\"1\",\"timestamp\":1}]}",
        HEAD "{\"id\":\"1\",\"timestamp\":1,\"message\":\"a\"}",
        "\x1f\x8b not gzip",
    };
    struct got got;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        assert_int_equal(read_bytes(str_of(bad[i]), 4096, &got), ERR_MALFORMED);
        buf_release(&got.text);
    }
}

static void no_more_is_unpacked_than_there_is_room_for(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf packed = {0};
    CLEANUP(free_ptr) char *spaces = xmalloc(1 << 20);
    struct got got;
    memset(spaces, ' ', 1 << 20);
    pack(str_n(spaces, 1 << 20), &packed);
    assert_true(packed.len < 1 << 16);
    assert_int_equal(read_bytes(buf_str(&packed), (1 << 20) - 1, &got), ERR_TOO_LARGE);
    assert_int_equal(read_bytes(str_n(spaces, 5000), 4999, &got), ERR_TOO_LARGE);
    packed.len -= 4; // cut off
    assert_int_equal(read_bytes(buf_str(&packed), 1 << 21, &got), ERR_MALFORMED);
}

static void what_is_around_events_counts_for_each_of_them(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf text = {0};
    struct got got;
    buf_append_text(&text, "{\"messageType\":\"DATA_MESSAGE\",\"logGroup\":\"");
    for (size_t i = 0; i < 60000; i++)
        buf_append_byte(&text, 'x');
    buf_append_text(&text, "\",\"logStream\":\"run\",\"logEvents\":[");
    for (size_t i = 0; i < 2000; i++)
        buf_printf(&text, "%s{\"id\":\"%zu\",\"timestamp\":1,\"message\":\"\"}", i ? "," : "", i);
    buf_append_text(&text, "]}");
    assert_true(text.len < 256 * 1024);
    assert_int_equal(read_bytes(buf_str(&text), 1 << 20, &got), ERR_TOO_LARGE);
    buf_release(&got.text);
}

static void an_event_whose_fields_are_too_large_is_left_out(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf text = {0};
    struct got got;
    buf_append_text(&text, HEAD "{\"id\":\"1\",\"timestamp\":1,\"message\":\"a\",\"extractedFields\":{\"x\":\"");
    for (size_t i = 0; i < RECORD_EXTRA_MAX; i++)
        buf_append_byte(&text, 'x');
    buf_append_text(&text, "\"}},{\"id\":\"2\",\"timestamp\":1,\"message\":\"b\"}]}");
    assert_int_equal(read_bytes(buf_str(&text), 1 << 20, &got), 0);
    assert_int_equal(got.refused, 1);
    assert_string_equal(buf_cstr(&got.text), "run-1|2|1|stdout|info|b\n");
    buf_release(&got.text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_payload_becomes_events_of_what_its_stream_names),
        cmocka_unit_test(payloads_that_firehose_has_unpacked_may_stand_one_behind_the_other),
        cmocka_unit_test(texts_that_a_document_usually_has_not_are_taken),
        cmocka_unit_test(a_control_message_has_no_events),
        cmocka_unit_test(what_is_no_payload_is_refused),
        cmocka_unit_test(no_more_is_unpacked_than_there_is_room_for),
        cmocka_unit_test(what_is_around_events_counts_for_each_of_them),
        cmocka_unit_test(an_event_whose_fields_are_too_large_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
