// Frames of parts: what is written is read, and what is not whole is none.
#include "model/parts.h"
#include "util/testing.h"

static void parts_are_read_as_they_were_written(void **state)
{
    static const struct part parts[] = {
        {1, 0, {"a", 1}}, {UINT32_MAX, UINT64_MAX, {"chunk", 5}}, {7, UINT64_C(0x0102030405060708), {"\0\0", 2}}};
    CLEANUP(buf_release) struct buf frame = {0};
    struct part got;
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(parts); i++)
        part_append(&frame, &parts[i]);
    struct str rest = buf_str(&frame);
    assert_int_equal(parts_check(rest), 0);
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        assert_true(parts_next(&rest, &got));
        assert_int_equal(got.stream, parts[i].stream);
        assert_true(got.first == parts[i].first);
        assert_true(str_eq(got.chunk, parts[i].chunk));
    }
    assert_false(parts_next(&rest, &got));
}

static void numbers_are_little_endian(void **state)
{
    CLEANUP(buf_release) struct buf frame = {0};
    (void)state;
    part_append(&frame, &(struct part){.stream = 0x01020304, .first = 5, .chunk = STR("x")});
    assert_int_equal(frame.len, 17);
    assert_memory_equal(frame.data, "\4\3\2\1\1\0\0\0\5\0\0\0\0\0\0\0x", 17);
}

static void a_frame_that_is_not_whole_parts_is_refused(void **state)
{
    CLEANUP(buf_release) struct buf frame = {0};
    (void)state;
    part_append(&frame, &(struct part){.stream = 1, .chunk = STR("chunk")});
    part_append(&frame, &(struct part){.stream = 2, .chunk = STR("other")});
    size_t first = PART_HEADER + 5;
    for (size_t len = 0; len < frame.len; len++) {
        if (len != first)
            assert_int_equal(parts_check(str_n(frame.data, len)), ERR_MALFORMED);
    }
    assert_int_equal(parts_check(str_n(frame.data, first)), 0);
    assert_int_equal(parts_check(buf_str(&frame)), 0);
    frame.data[first + 7] = (char)0xff; // a length of nearly 4 GiB
    assert_int_equal(parts_check(buf_str(&frame)), ERR_MALFORMED);
}

static void stream_0_and_an_empty_chunk_are_none(void **state)
{
    CLEANUP(buf_release) struct buf zero = {0};
    CLEANUP(buf_release) struct buf empty = {0};
    (void)state;
    part_append(&zero, &(struct part){.stream = 0, .chunk = STR("chunk")});
    part_append(&empty, &(struct part){.stream = 1});
    assert_int_equal(parts_check(buf_str(&zero)), ERR_MALFORMED);
    assert_int_equal(parts_check(buf_str(&empty)), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(parts_are_read_as_they_were_written),
        cmocka_unit_test(numbers_are_little_endian),
        cmocka_unit_test(a_frame_that_is_not_whole_parts_is_refused),
        cmocka_unit_test(stream_0_and_an_empty_chunk_are_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
