#include "util/buf.h"
#include "util/testing.h"

#include <inttypes.h>

static void grows_and_keeps_what_was_appended(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf buf = {0};
    for (int i = 0; i < 1000; i++)
        buf_append_byte(&buf, (char)('a' + i % 26));
    assert_int_equal(buf.len, 1000);
    for (size_t i = 0; i < buf.len; i++)
        assert_int_equal(buf.data[i], 'a' + i % 26);
    buf_append(&buf, NULL, 0);
    assert_int_equal(buf.len, 1000);
}

static void consume_drops_from_the_front(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf buf = {0};
    buf_consume(&buf, 0);
    buf_append_text(&buf, "abcdef");
    buf_consume(&buf, 2);
    assert_str(buf_str(&buf), "cdef");
    buf_consume(&buf, 4);
    assert_int_equal(buf.len, 0);
}

static void cstr_terminates_without_counting(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf buf = {0};
    assert_string_equal(buf_cstr(&buf), "");
    for (int i = 0; i < 64; i++) // as many as fill the first allocation
        buf_append_byte(&buf, 'x');
    assert_int_equal(strlen(buf_cstr(&buf)), 64);
    assert_int_equal(buf.len, 64);
}

static void take_hands_the_memory_over(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_append_text(&buf, "abc");
    CLEANUP(free_ptr) char *text = buf_take(&buf);
    CLEANUP(free_ptr) char *nothing = buf_take(&buf);
    assert_string_equal(text, "abc");
    assert_string_equal(nothing, "");
    assert_null(buf.data);
    assert_int_equal(buf.cap, 0);
}

static void printf_writes_results_of_any_length(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf buf = {0};
    buf_printf(&buf, "%s", "");
    assert_int_equal(buf.len, 0);
    for (int width = 1; width < 300; width++) {
        buf_reset(&buf);
        buf_printf(&buf, "<%*d>", width, 7);
        assert_int_equal(buf.len, width + 2);
        assert_int_equal(buf.data[width], '7');
        assert_int_equal(buf.data[width + 1], '>');
    }
}

static void writes_decimals_as_printf_does(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (int i = 0; i < 20000; i++) {
        // Every magnitude alike, with its neighbours.
        uint64_t value = test_random(&seed) >> (test_random(&seed) % 64);
        char expected[64];
        CLEANUP(buf_release) struct buf buf = {0};
        buf_append_u64(&buf, value);
        buf_append_byte(&buf, ' ');
        buf_append_i64(&buf, (int64_t)value);
        snprintf(expected, sizeof(expected), "%" PRIu64 " %" PRId64, value, (int64_t)value);
        assert_string_equal(buf_cstr(&buf), expected);
    }
}

static void writes_the_extreme_decimals(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf buf = {0};
    buf_append_u64(&buf, 0);
    buf_append_byte(&buf, ' ');
    buf_append_u64(&buf, UINT64_MAX);
    buf_append_byte(&buf, ' ');
    buf_append_i64(&buf, INT64_MIN);
    assert_str(buf_str(&buf), "0 18446744073709551615 -9223372036854775808");
}

static void reads_back_every_varint(void **state)
{
    (void)state;
    uint64_t seed = 2;
    for (int i = 0; i < 20000; i++) {
        uint64_t value = i < 2 ? 0 - (uint64_t)i : test_random(&seed) >> (test_random(&seed) % 64);
        uint64_t got;
        int64_t got_signed;
        CLEANUP(buf_release) struct buf buf = {0};
        buf_append_varint(&buf, value);
        buf_append_svarint(&buf, (int64_t)value);
        const uint8_t *pos = (const uint8_t *)buf.data, *end = pos + buf.len;
        assert_true(varint_read(&pos, end, &got));
        assert_true(svarint_read(&pos, end, &got_signed));
        assert_ptr_equal(pos, end);
        assert_int_equal(got, value);
        assert_int_equal(got_signed, value);
    }
}

static void small_signed_varints_are_short(void **state)
{
    (void)state;
    for (int64_t value = -64; value < 64; value++) {
        CLEANUP(buf_release) struct buf buf = {0};
        buf_append_svarint(&buf, value);
        assert_int_equal(buf.len, 1);
    }
}

static void refuses_varints_cut_short_or_over_64_bits(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t len;
    } cases[] = {
        {"", 0},
        {"\x80", 1},
        {"\xff\xff\xff", 3},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02", 10},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x81\x00", 11},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        const uint8_t *start = (const uint8_t *)cases[i].bytes, *pos = start;
        uint64_t value = 42;
        int64_t value_signed = 42;
        assert_false(varint_read(&pos, start + cases[i].len, &value));
        assert_false(svarint_read(&pos, start + cases[i].len, &value_signed));
        assert_ptr_equal(pos, start);
        assert_int_equal(value, 42);
        assert_int_equal(value_signed, 42);
    }
}

static void fixed_widths_are_little_endian(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf buf = {0};
    buf_append_le32(&buf, 0x04030201);
    buf_append_le64(&buf, 0x0c0b0a0908070605);
    assert_str(buf_str(&buf), "\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(grows_and_keeps_what_was_appended),
        cmocka_unit_test(consume_drops_from_the_front),
        cmocka_unit_test(cstr_terminates_without_counting),
        cmocka_unit_test(take_hands_the_memory_over),
        cmocka_unit_test(printf_writes_results_of_any_length),
        cmocka_unit_test(writes_decimals_as_printf_does),
        cmocka_unit_test(writes_the_extreme_decimals),
        cmocka_unit_test(reads_back_every_varint),
        cmocka_unit_test(small_signed_varints_are_short),
        cmocka_unit_test(refuses_varints_cut_short_or_over_64_bits),
        cmocka_unit_test(fixed_widths_are_little_endian),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
