#include "util/str.h"
#include "util/testing.h"

static void trims_white_space_at_both_ends_only(void **state)
{
    (void)state;
    assert_str(str_trim(STR(" \t a b\r\n")), "a b");
    assert_str(str_trim(STR(" \v\f ")), "");
    assert_str(str_trim((struct str){0}), "");
}

static void compares_bytes_and_ascii_case(void **state)
{
    (void)state;
    assert_true(str_eq((struct str){0}, STR("")));
    assert_true(str_eq(STR("a\0b"), STR("a\0b")));
    assert_false(str_eq(STR("a\0b"), STR("a\0c")));
    assert_false(str_eq(STR("a"), STR("A")));
    assert_true(str_eq_nocase(STR("Content-LENGTH"), STR("cOntent-length")));
    assert_false(str_eq_nocase(STR("@[`{"), STR("`{@[")));
    assert_false(str_eq_nocase(STR("a"), STR("ab")));
    assert_true(str_starts(STR("Bearer x"), STR("Bearer ")));
    assert_false(str_starts(STR("Bear"), STR("Bearer")));
    assert_true(str_starts((struct str){0}, STR("")));
}

static void splits_into_parts_that_join_to_the_whole(void **state)
{
    (void)state;
    struct str rest = STR("a,,b,");
    assert_str(str_split(&rest, ','), "a");
    assert_str(str_split(&rest, ','), "");
    assert_str(str_split(&rest, ','), "b");
    assert_str(rest, "");
    assert_non_null(rest.data); // something stood after the last separator, though empty
    assert_str(str_split(&rest, ','), "");
    assert_null(rest.data);
}

static void finds_a_byte_also_in_nothing(void **state)
{
    (void)state;
    struct str text = STR("a,b,");
    assert_ptr_equal(str_find(text, ','), text.data + 1);
    assert_null(str_find(str_n(text.data, 1), ','));
    assert_null(str_find(str_n(NULL, 0), ','));
    assert_null(str_find(str_n(NULL, 0), '\0'));
}

static void puts_what_fits(void **state)
{
    (void)state;
    char out[4] = "xyz";
    assert_true(str_put(out, sizeof(out), STR("abc")));
    assert_string_equal(out, "abc");
    assert_false(str_put(out, sizeof(out), STR("defg")));
    assert_string_equal(out, "def");
    assert_true(str_put(out, sizeof(out), str_n(NULL, 0)));
    assert_string_equal(out, "");
}

static void duplicates_with_a_terminator(void **state)
{
    (void)state;
    CLEANUP(free_ptr) char *copy = str_dup(str_n("abc", 2));
    CLEANUP(free_ptr) char *empty = str_dup((struct str){0});
    assert_string_equal(copy, "ab");
    assert_string_equal(empty, "");
}

static void parses_whole_unsigned_numbers_or_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        uint64_t value;
    } cases[] = {
        {"0", true, 0},
        {"007", true, 7},
        {"18446744073709551615", true, UINT64_MAX},
        {"18446744073709551616", false, 0},
        {"18446744073709551610000", false, 0},
        {"", false, 0},
        {"-1", false, 0},
        {"+1", false, 0},
        {" 1", false, 0},
        {"1 ", false, 0},
        {"0x1", false, 0},
        {"1.0", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t value = 42;
        assert_int_equal(str_to_u64(str_of(cases[i].text), &value), cases[i].ok);
        assert_int_equal(value, cases[i].ok ? cases[i].value : 42);
    }
}

static void parses_whole_signed_numbers_or_nothing(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        int64_t value;
    } cases[] = {
        {"-1", true, -1},
        {"-0", true, 0},
        {"9223372036854775807", true, INT64_MAX},
        {"9223372036854775808", false, 0},
        {"-9223372036854775808", true, INT64_MIN},
        {"-9223372036854775809", false, 0},
        {"-", false, 0},
        {"--1", false, 0},
        {"", false, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        int64_t value = 42;
        assert_int_equal(str_to_i64(str_of(cases[i].text), &value), cases[i].ok);
        assert_int_equal(value, cases[i].ok ? cases[i].value : 42);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(trims_white_space_at_both_ends_only),
        cmocka_unit_test(finds_a_byte_also_in_nothing),
        cmocka_unit_test(puts_what_fits),
        cmocka_unit_test(compares_bytes_and_ascii_case),
        cmocka_unit_test(splits_into_parts_that_join_to_the_whole),
        cmocka_unit_test(duplicates_with_a_terminator),
        cmocka_unit_test(parses_whole_unsigned_numbers_or_nothing),
        cmocka_unit_test(parses_whole_signed_numbers_or_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
