#include "cli/terminal.h"
#include "util/testing.h"

static void only_text_and_colour_reach_the_terminal(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"", ""},
        {"plain text", "plain text"},
        {"a\tb", "a\tb"},
        {"\033[31mred\033[0m", "\033[31mred\033[0m\033[0m"},
        {"\033[38;5;196mx", "\033[38;5;196mx\033[0m"},
        {"\033[38:2::1:2:3mx", "\033[38:2::1:2:3mx\033[0m"},
        {"\033[m", "\033[m\033[0m"},
        {"\033[2J", "^[[2J"},               // clears the screen
        {"\033[1;1H", "^[[1;1H"},           // moves the cursor
        {"\033]0;title\a", "^[]0;title^G"}, // sets the title
        {"\033[?25l", "^[[?25l"},
        {"\033[>4m", "^[[>4m"}, // a private sequence that also ends with m
        {"\033c", "^[c"},
        {"\033", "^["},
        {"\033[", "^[["},
        {"\033[31", "^[[31"},
        {"50%\r100%", "50%^M100%"},
        {"a\bb\x7f", "a^Hb^?"},
        {"\xc2\x9b"
         "31m",
         "<U+009B>31m"},              // CSI as one character
        {"\xe2\x80\xae", "<U+202E>"}, // right-to-left override
        {"gr\xc3\xb6\xc3\x9f"
         "e \xe2\x9c\x93",
         "gr\xc3\xb6\xc3\x9f"
         "e \xe2\x9c\x93"},
        {"\xff\xfe", "\xef\xbf\xbd\xef\xbf\xbd"},
        {"\x9b"
         "2J",
         "\xef\xbf\xbd"
         "2J"}, // CSI as one byte
        {"first\n[10:30:15] [stderr] forged", "first\n    [10:30:15] [stderr] forged"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        terminal_append(&out, str_of(cases[i].text));
        assert_string_equal(buf_cstr(&out), cases[i].shown);
    }
}

static void in_plain_text_a_colour_is_shown(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    terminal_append_plain(&out, STR("a\033[31mb\nc"));
    assert_string_equal(buf_cstr(&out), "a^[[31mb\n    c");
}

static void nul_is_shown(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf out = {0};
    terminal_append(&out, str_n("a\0b", 3));
    assert_string_equal(buf_cstr(&out), "a^@b");
}

static void endless_colour_sequence_is_no_colour(void **state)
{
    (void)state;
    CLEANUP(buf_release) struct buf text = {0}, out = {0};
    buf_append_text(&text, "\033[");
    for (int i = 0; i < 100; i++)
        buf_append_text(&text, "1;");
    buf_append_text(&text, "m");
    terminal_append(&out, buf_str(&text));
    assert_null(strchr(buf_cstr(&out), '\033'));
}

static void a_cell_is_one_line_without_colours(void **state)
{
    (void)state;
    static const struct {
        const char *text, *shown;
    } cases[] = {
        {"", ""},
        {"one two", "one two"},
        {"sh -c '\n  for\tall\r\n'", "sh -c ' for all '"},
        {"\n  a\n", "a"},
        {"\033[31mred\033[0m", "^[[31mred^[[0m"},
        {"größer\xff", "größer\xef\xbf\xbd"},
        {"\xe2\x80\xae", "<U+202E>"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        terminal_append_cell(&out, str_of(cases[i].text));
        assert_string_equal(buf_cstr(&out), cases[i].shown);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_text_and_colour_reach_the_terminal),
        cmocka_unit_test(in_plain_text_a_colour_is_shown),
        cmocka_unit_test(nul_is_shown),
        cmocka_unit_test(endless_colour_sequence_is_no_colour),
        cmocka_unit_test(a_cell_is_one_line_without_colours),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
