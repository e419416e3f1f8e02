#include "cli/text_width.h"
#include "util/testing.h"

static void a_text_takes_the_columns_that_a_terminal_gives_it(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
    } cases[] = {
        {"", 0},       {"plain", 5}, {"größer", 6}, {"日本語.csv", 10},        {"한글", 4}, {"e\u0301", 1},
        {"\u200b", 0}, {"🙂", 2},  {"…✓✗●", 4},   {"\033[31m✗\033[0m é", 3}, {"\xff", 1}, {"\033[31", 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(text_width(str_of(cases[i].text)), cases[i].width);
}

static void a_text_that_is_cut_is_no_wider_and_ends_with_a_whole_character(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t width;
        const char *cut;
    } cases[] = {
        {"plain", 5, "plain"},
        {"plain", 4, "pla…"},
        {"größer", 4, "grö…"},
        {"日本語", 6, "日本語"},
        {"日本語", 5, "日本…"},
        {"日本語", 4, "日…"}, // half of a character is none
        {"日本語", 1, "…"},
        {"日本語", 0, "…"},
        {"e\u0301e\u0301e\u0301", 2, "e\u0301…"},
        {"\033[31mabc\033[0m def", 4, "\033[31mabc\033[0m…"}, // the colour ends
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        text_append_cut(&out, str_of(cases[i].text), cases[i].width);
        assert_string_equal(buf_cstr(&out), cases[i].cut);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_text_takes_the_columns_that_a_terminal_gives_it),
        cmocka_unit_test(a_text_that_is_cut_is_no_wider_and_ends_with_a_whole_character),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
