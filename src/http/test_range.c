#include "http/range.h"
#include "util/testing.h"

static void a_single_range_is_the_part_of_the_thing(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        uint64_t size, first, len;
    } cases[] = {
        {"bytes=0-0", 10, 0, 1},  {"bytes=0-9", 10, 0, 10}, {"bytes=3-5", 10, 3, 3},  {"bytes=3-", 10, 3, 7},
        {"bytes=3-99", 10, 3, 7}, {"bytes=-4", 10, 6, 4},   {"bytes=-99", 10, 0, 10}, {"bytes=9-", 10, 9, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        uint64_t first = 77, len = 77;
        assert_int_equal(http_range_parse(str_of(cases[i].header), cases[i].size, &first, &len), HTTP_RANGE_PART);
        assert_int_equal(first, cases[i].first);
        assert_int_equal(len, cases[i].len);
    }
}

static void a_range_that_holds_nothing_is_outside(void **state)
{
    (void)state;
    static const char *const headers[] = {"bytes=10-", "bytes=10-12", "bytes=-0", "bytes=18446744073709551615-"};
    uint64_t first, len;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        assert_int_equal(http_range_parse(str_of(headers[i]), 10, &first, &len), HTTP_RANGE_OUTSIDE);
    assert_int_equal(http_range_parse(STR("bytes=0-"), 0, &first, &len), HTTP_RANGE_OUTSIDE);
    assert_int_equal(http_range_parse(STR("bytes=-1"), 0, &first, &len), HTTP_RANGE_OUTSIDE);
}

static void what_is_no_single_range_asks_for_all(void **state)
{
    (void)state;
    static const char *const headers[] = {
        "",           "bytes",     "bytes=",  "bytes=-",     "bytes=a-b", "bytes=5-3",  "lines=0-1",
        "bytes=0-1,", "bytes=0,1", "bytes=1", "bytes=1-2-3", "bytes=-x",  "bytes=0x1-", "bytes=18446744073709551616-"};
    uint64_t first, len;
    for (size_t i = 0; i < ARRAY_LEN(headers); i++)
        assert_int_equal(http_range_parse(str_of(headers[i]), 10, &first, &len), HTTP_RANGE_WHOLE);
}

static void a_sent_part_must_lie_within_the_whole(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",          "bytes 0-1",  "bytes 0-1/*", "bytes 2-1/5",  "bytes 0-5/5", "bytes=0-1/5",
        "bytes */5", "bytes -1/5", "bytes 1-/5",  "bytes 0-1/5/6"};
    uint64_t first, last, size;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++)
        assert_false(http_content_range_parse(str_of(bad[i]), &first, &last, &size));
    assert_true(http_content_range_parse(STR("bytes 3-4/5"), &first, &last, &size));
    assert_true(first == 3 && last == 4 && size == 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_single_range_is_the_part_of_the_thing),
        cmocka_unit_test(a_range_that_holds_nothing_is_outside),
        cmocka_unit_test(what_is_no_single_range_asks_for_all),
        cmocka_unit_test(a_sent_part_must_lie_within_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
