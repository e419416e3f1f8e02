#include "cli/table.h"
#include "cli/text_width.h"
#include "util/testing.h"

static const struct table_column columns[] = {
    {"NAME", 0, true}, {"N", 0, false}, {"MADE", 1, false}, {"END", 2, false}};
static const char *const cells[] = {"größer als alle", "1", "yesterday", "never", "a", "22", "today", ""};

static void assert_table(size_t width, const char *expected)
{
    CLEANUP(buf_release) struct buf out = {0};
    table_append(columns, ARRAY_LEN(columns), cells, 2, width, &out);
    assert_string_equal(buf_cstr(&out), expected);
}

static void columns_are_as_wide_as_their_widest_cell(void **state)
{
    (void)state;
    static const char whole[] = "NAME             N   MADE       END\n"
                                "größer als alle  1   yesterday  never\n"
                                "a                22  today\n";
    assert_table(0, whole);
    assert_table(37, whole);
    assert_table(200, whole);
}

static void a_table_that_is_too_wide_is_cut_and_leaves_out_columns_in_their_order(void **state)
{
    (void)state;
    assert_table(36, "NAME            N   MADE       END\n"
                     "größer als al…  1   yesterday  never\n"
                     "a               22  today\n");
    assert_table(30, "NAME      N   MADE       END\n"
                     "größer …  1   yesterday  never\n"
                     "a         22  today\n");
    assert_table(29, "NAME             N   END\n"
                     "größer als alle  1   never\n"
                     "a                22\n");
    assert_table(19, "NAME      N   END\n"
                     "größer …  1   never\n"
                     "a         22\n");
    assert_table(18, "NAME            N\n"
                     "größer als al…  1\n"
                     "a               22\n");
    assert_table(1, "NAME      N\n"
                    "größer …  1\n"
                    "a         22\n");
}

static void no_line_is_wider_than_the_terminal(void **state)
{
    (void)state;
    for (size_t width = 12; width < 60; width++) {
        CLEANUP(buf_release) struct buf out = {0};
        table_append(columns, ARRAY_LEN(columns), cells, 2, width, &out);
        for (struct str rest = buf_str(&out); rest.len > 0;) {
            CLEANUP(free_ptr) char *line = str_dup(str_split(&rest, '\n'));
            assert_true(text_width(str_of(line)) <= width);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_as_wide_as_their_widest_cell),
        cmocka_unit_test(a_table_that_is_too_wide_is_cut_and_leaves_out_columns_in_their_order),
        cmocka_unit_test(no_line_is_wider_than_the_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
