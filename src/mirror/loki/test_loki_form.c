// What a line looks like in Loki: its time, its labels, its bytes; and how an answer is read.
#include "mirror/loki/answer.h"
#include "mirror/loki/part.h"
#include "util/protobuf.h"
#include "util/testing.h"

#include <snappy-c.h>

#define NOW 1763200000123

static void a_time_is_the_same_for_the_same_record_and_tells_its_number(void **state)
{
    (void)state;
    static const struct {
        int64_t time_ms;
        uint64_t sequence, phase, ns;
    } cases[] = {
        {NOW, 0, 0, NOW * UINT64_C(1000000)},
        {NOW, 17, 0, NOW * UINT64_C(1000000) + 17},
        {NOW, 1000017, 0, NOW * UINT64_C(1000000) + 17},
        {NOW, 17, 999990, NOW * UINT64_C(1000000) + 7}, // it stays within its millisecond
        {-5, 17, 0, 17},
        {INT64_MAX, 17, 0, UINT64_C(9223372036853) * 1000000 + 17},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_true(loki_time_ns(cases[i].time_ms, cases[i].sequence, cases[i].phase) == cases[i].ns);
    for (uint64_t sequence = 0; sequence < 5000000; sequence += 1234) {
        uint64_t phase = sequence * 7 % 1000000, ns = loki_time_ns(NOW, sequence, phase);
        uint64_t before = sequence - MIN(sequence, (uint64_t)400000), after = sequence + 400000;
        assert_int_equal(loki_sequence_of(ns, phase, sequence), sequence);
        assert_int_equal(loki_sequence_of(ns, phase, before), sequence);
        assert_int_equal(loki_sequence_of(ns, phase, after), sequence);
    }
    assert_int_equal(loki_phase(LOKI_RUN, STR("run")), 0);
    assert_int_not_equal(loki_phase(LOKI_FEW, STR("run")), loki_phase(LOKI_FEW, STR("other")));
}

static void assert_stream(enum loki_labels labels, const char *account, const char *node, const char *expected)
{
    CLEANUP(buf_release) struct buf text = {0};
    const struct loki_run run = {str_of(account), STR("r\"1\\")};
    loki_stream_append(&text, labels, &run, str_of(node), STR("stdout"), STR("info"));
    assert_string_equal(buf_cstr(&text), expected);
}

static void assert_query(enum loki_labels labels, struct str node, const char *expected)
{
    CLEANUP(buf_release) struct buf text = {0};
    const struct loki_run run = {STR("a"), STR("run")};
    loki_query_append(&text, labels, &run, node);
    assert_string_equal(buf_cstr(&text), expected);
}

static void labels_are_sorted_and_quoted(void **state)
{
    (void)state;
    assert_stream(LOKI_FEW, "default", "n", "{account=\"default\", level=\"info\", stream=\"stdout\"}");
    assert_stream(LOKI_RUN, "default", "n\n", "{node=\"n\\x0a\", run_id=\"r\\\"1\\\\\", stream=\"stdout\"}");
    assert_stream(LOKI_RUN, "a", "", "{account=\"a\", run_id=\"r\\\"1\\\\\", stream=\"stdout\"}");
    assert_query(LOKI_FEW, (struct str){0}, "{account=\"a\"} | run_id=\"run\"");
    assert_query(LOKI_FEW, STR("n"), "{account=\"a\"} | run_id=\"run\" | node=\"n\"");
    assert_query(LOKI_RUN, STR(""), "{account=\"a\", run_id=\"run\"} | node=\"\"");
}

// --- A part

static struct loki_part *part_new(enum loki_labels labels, size_t line_max, size_t bytes_max, int64_t fence_ms)
{
    struct mirror_found found = {.row = 1, .copied = 5, .next = 100, .time_ms = 1};
    snprintf(found.execution_id, sizeof(found.execution_id), "run");
    snprintf(found.account_name, sizeof(found.account_name), "default");
    return loki_part_new(&found, &(struct loki_part_options){labels, line_max, bytes_max, fence_ms});
}

static bool add(struct loki_part *part, uint64_t sequence, const char *message, const char *extra)
{
    const struct record record = {
        .time_ms = NOW + (int64_t)sequence, .message = str_of(message), .extra = str_of(extra)};
    return loki_part_add(part, sequence, &record);
}

struct entry {
    struct str labels, line, metadata[3][2];
    uint64_t seconds, nanos;
    size_t metadata_count;
};

static struct str bytes_at(struct str message, uint32_t number)
{
    struct protobuf_field field;
    while (protobuf_next(&message, &field) > 0)
        if (protobuf_is(&field, number, PROTOBUF_BYTES))
            return field.bytes;
    return (struct str){0};
}

static uint64_t number_at(struct str message, uint32_t number)
{
    struct protobuf_field field;
    while (protobuf_next(&message, &field) > 0)
        if (protobuf_is(&field, number, PROTOBUF_VARINT))
            return field.value;
    return 0;
}

static void read_entry(struct str labels, struct str message, struct entry *ret)
{
    struct protobuf_field field;
    struct str time = bytes_at(message, 1);
    *ret = (struct entry){
        .labels = labels, .line = bytes_at(message, 2), .seconds = number_at(time, 1), .nanos = number_at(time, 2)};
    while (protobuf_next(&message, &field) > 0) {
        if (!protobuf_is(&field, 3, PROTOBUF_BYTES))
            continue;
        ret->metadata[ret->metadata_count][0] = bytes_at(field.bytes, 1);
        ret->metadata[ret->metadata_count++][1] = bytes_at(field.bytes, 2);
    }
}

// Unpacks the body of a push of this part. The views live in `plain`.
static size_t unpack(struct loki_part *part, struct buf *plain, struct entry *ret, size_t max)
{
    CLEANUP(buf_release) struct buf body = {0};
    struct list_node parts;
    struct protobuf_field stream, field;
    size_t count = 0, len = 0;
    list_init(&parts);
    list_push_back(&parts, &part->node);
    loki_push_body(&parts, &body);
    assert_int_equal(snappy_uncompressed_length(body.data, body.len, &len), SNAPPY_OK);
    buf_reserve(plain, len + 1);
    assert_int_equal(snappy_uncompress(body.data, body.len, plain->data, &len), SNAPPY_OK);
    struct str rest = str_n(plain->data, len);
    while (protobuf_next(&rest, &stream) > 0) {
        assert_true(protobuf_is(&stream, 1, PROTOBUF_BYTES));
        struct str labels = bytes_at(stream.bytes, 1), message = stream.bytes;
        while (protobuf_next(&message, &field) > 0) {
            if (!protobuf_is(&field, 2, PROTOBUF_BYTES))
                continue;
            assert_true(count < max);
            read_entry(labels, field.bytes, &ret[count++]);
        }
    }
    list_remove(&part->node);
    return count;
}

static void assert_text(struct str text, const char *expected)
{
    assert_int_equal(text.len, strlen(expected));
    assert_memory_equal(text.data, expected, text.len);
}

static void records_become_streams_and_places(void **state)
{
    (void)state;
    struct entry entries[4] = {0};
    CLEANUP(buf_release) struct buf plain = {0};
    CLEANUP(loki_part_free) struct loki_part *part = part_new(LOKI_FEW, 1000, 1000000, INT64_MAX);
    assert_true(add(part, 5, "one", NULL));
    assert_true(add(part, 6, "two", "\"node_id\":\"n\""));
    assert_true(add(part, 9, "bad\xff", "\"node_name\":\"m\"")); // two were cut off
    loki_part_finish(part);
    assert_int_equal(unpack(part, &plain, entries, 4), 3);
    assert_text(entries[0].labels, "{account=\"default\", level=\"info\", stream=\"stdout\"}");
    assert_text(entries[0].line, "one");
    uint64_t ns = loki_time_ns(NOW + 5, 5, part->phase);
    assert_int_equal(entries[0].seconds, ns / 1000000000);
    assert_int_equal(entries[0].nanos, ns % 1000000000);
    assert_int_equal(entries[0].metadata_count, 2);
    assert_text(entries[1].metadata[0][0], "node");
    assert_text(entries[1].metadata[0][1], "n");
    assert_text(entries[1].metadata[1][1], "run");
    assert_text(entries[1].metadata[2][0], "sequence");
    assert_text(entries[1].metadata[2][1], "6");
    assert_text(entries[2].line, "bad\xef\xbf\xbd");
    assert_int_equal(part->to, 10);
    assert_int_equal(part->missing, 2);
    assert_int_equal(part->lines, 3);
    assert_int_equal(part->time_ms, NOW + 9);
    assert_int_equal(part->place_count, 3);
    assert_string_equal(part->places[0].node, "");
    assert_string_equal(part->places[1].node, "n");
    assert_int_equal(part->places[2].from_ms, NOW + 9);
    assert_int_equal(part->places[2].lines, 1);
}

static void what_does_not_fit_or_must_wait_is_left_for_another_time(void **state)
{
    (void)state;
    CLEANUP(loki_part_free) struct loki_part *full = part_new(LOKI_RUN, 1000, 10, INT64_MAX);
    assert_true(add(full, 5, "a line that is larger than there is room", NULL)); // one always may
    assert_false(add(full, 6, "no", NULL));
    loki_part_finish(full);
    assert_true(full->full && !full->fenced);
    assert_int_equal(full->to, 6);
    assert_int_equal(full->time_ms, NOW + 6); // of what comes next
    CLEANUP(loki_part_free) struct loki_part *fenced = part_new(LOKI_RUN, 1000, 1000, NOW + 5);
    assert_true(add(fenced, 5, "old", NULL));
    assert_false(add(fenced, 6, "new", NULL));
    loki_part_finish(fenced);
    assert_true(fenced->fenced && !fenced->full);
    assert_int_equal(fenced->to, 6);
}

static void a_long_line_is_cut_between_two_characters(void **state)
{
    (void)state;
    struct entry entry = {0};
    CLEANUP(buf_release) struct buf plain = {0};
    CLEANUP(loki_part_free) struct loki_part *part = part_new(LOKI_RUN, 8, 1000, INT64_MAX);
    assert_true(add(part, 5, "1234567\xc3\xa4", NULL));
    loki_part_finish(part);
    assert_int_equal(unpack(part, &plain, &entry, 1), 1);
    assert_text(entry.line, "1234567");
    assert_int_equal(part->cut, 1);
}

// --- Answers

static int read_answer(const char *json, enum loki_labels labels, uint64_t near, struct loki_lines *ret)
{
    const struct loki_ask ask = {.run = {STR("a"), STR("run")}, .labels = labels, .near = near, .limit = 10};
    return loki_answer_read(str_of(json), &ask, ret);
}

#define ANSWER(streams) \
    "{\"status\":\"success\",\"data\":{\"resultType\":\"streams\",\"result\":[" streams "],\"stats\":{}}}"

static void an_answer_is_sorted_by_number(void **state)
{
    (void)state;
    CLEANUP(loki_lines_release) struct loki_lines lines = {0};
    static const char beside[] =
        ANSWER("{\"stream\":{\"stream\":\"stderr\",\"sequence\":\"12\",\"node\":\"n\"},\"values\":[[\"1000000\","
               "\"late\"]]},{\"stream\":{\"stream\":\"stdout\",\"level\":\"info\"},\"values\":[[\"2000000\",\"\","
               "{\"structuredMetadata\":{\"sequence\":\"3\",\"node\":\"m\"}}]]}");
    assert_int_equal(read_answer(beside, LOKI_FEW, 0, &lines), 0);
    assert_int_equal(lines.count, 2);
    assert_int_equal(lines.items[0].sequence, 3);
    assert_text(lines.items[0].text, "");
    assert_text(lines.items[0].node, "m");
    assert_text(lines.items[0].level, "info");
    assert_int_equal(lines.items[1].sequence, 12);
    assert_text(lines.items[1].text, "late");
    assert_text(lines.items[1].stream, "stderr");
    assert_int_equal(lines.last_ns, 2000000);
}

static void numbers_follow_from_times_where_nothing_else_says_them(void **state)
{
    (void)state;
    CLEANUP(loki_lines_release) struct loki_lines lines = {0};
    static const char plain[] = ANSWER("{\"stream\":{\"run_id\":\"run\"},\"values\":[[\"5000999999\",\"a\"],"
                                       "[\"6000000000\",\"b\"],[\"6000000001\",\"c\"]]}");
    assert_int_equal(read_answer(plain, LOKI_RUN, 2999990, &lines), 0);
    assert_int_equal(lines.items[0].sequence, 2999999);
    assert_int_equal(lines.items[1].sequence, 3000000);
    assert_int_equal(lines.items[2].sequence, 3000001);
}

static void what_is_no_answer_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{}",
        "{\"data\":{\"resultType\":\"matrix\",\"result\":[]}}",
        "{\"data\":{\"resultType\":\"streams\",\"result\":{}}}",
        ANSWER("1"),
        ANSWER("{\"stream\":{},\"values\":1}"),
        ANSWER("{\"stream\":{},\"values\":[[1,\"a\"]]}"),
        ANSWER("{\"stream\":{},\"values\":[[\"x\",\"a\"]]}"),
        ANSWER("{\"stream\":{},\"values\":[[\"1\"]]}"),
    };
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        CLEANUP(loki_lines_release) struct loki_lines lines = {0};
        assert_int_equal(read_answer(wrong[i], LOKI_FEW, 0, &lines), ERR_MALFORMED);
    }
}

static void only_what_loki_took_or_refused_for_good_is_not_pushed_again(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum loki_verdict verdict;
        const char *said;
    } cases[] = {
        {200, LOKI_TAKEN, ""},
        {204, LOKI_TAKEN, NULL},
        {400, LOKI_REFUSED, "entry with timestamp 2025 ignored, reason: 'entry too far behind'"},
        {400, LOKI_REFUSED, "max entry size '262144' bytes exceeded for stream '{a=\"b\"}'"},
        {400, LOKI_REFUSED, "stream '{}' has label value too long"},
        {400, LOKI_LATER, "snappy: corrupt input"},
        {400, LOKI_LATER, "<html><title>400 The plain HTTP request was sent to HTTPS port</title>an entry</html>"},
        {400, LOKI_LATER, ""},
        {400, LOKI_LATER, NULL},
        {413, LOKI_LARGE, ""},
        {301, LOKI_LATER, ""},
        {401, LOKI_LATER, "no org id"},
        {403, LOKI_LATER, ""},
        {404, LOKI_LATER, ""},
        {429, LOKI_LATER, "entry"},
        {500, LOKI_LATER, "entry"},
        {503, LOKI_LATER, ""},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(loki_judge(cases[i].status, str_of(cases[i].said)), cases[i].verdict);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_time_is_the_same_for_the_same_record_and_tells_its_number),
        cmocka_unit_test(labels_are_sorted_and_quoted),
        cmocka_unit_test(records_become_streams_and_places),
        cmocka_unit_test(what_does_not_fit_or_must_wait_is_left_for_another_time),
        cmocka_unit_test(a_long_line_is_cut_between_two_characters),
        cmocka_unit_test(an_answer_is_sorted_by_number),
        cmocka_unit_test(numbers_follow_from_times_where_nothing_else_says_them),
        cmocka_unit_test(what_is_no_answer_is_refused),
        cmocka_unit_test(only_what_loki_took_or_refused_for_good_is_not_pushed_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
