#include "cli/log_select.h"
#include "util/testing.h"

static struct filter *grep(const char *text)
{
    CLEANUP(filter_builder_free) struct filter_builder *builder = filter_builder_new();
    struct filter *filter = NULL;
    bool taken;
    const char *reason;
    assert_int_equal(filter_builder_offer(builder, STR("grep"), str_of(text), &taken, &reason), 0);
    assert_int_equal(filter_builder_finish(builder, &filter, &reason), 0);
    return filter;
}

static void show(void *arg, uint64_t sequence_number, const struct record *record, struct str json)
{
    (void)sequence_number;
    (void)json;
    buf_append_str(arg, record ? record->message : STR("--"));
    buf_append_byte(arg, ' ');
}

// Words are records; one that ends with '+' is partial, one in capitals is of stderr.
static void assert_selects(unsigned before, unsigned after, uint64_t first_match, const char *words,
                           const char *expected)
{
    CLEANUP(buf_release) struct buf out = {0};
    struct log_select *select = log_select_new(grep("x"), before, after, first_match, show, &out);
    struct str rest = str_of(words);
    for (uint64_t i = 0; rest.len > 0; i++) {
        struct str word = str_split(&rest, ' ');
        struct record record = {.message = word,
                                .partial = word.data[word.len - 1] == '+',
                                .stream = word.data[0] < 'a' ? STREAM_STDERR : STREAM_STDOUT};
        log_select_take(select, i, &record, str_n(NULL, 0));
    }
    log_select_finish(select);
    log_select_free(&select);
    assert_string_equal(buf_cstr(&out), expected);
}

static void lines_around_a_match_are_shown(void **state)
{
    (void)state;
    assert_selects(0, 0, 0, "a x b", "x ");
    assert_selects(1, 0, 0, "a b x c", "b x ");
    assert_selects(0, 1, 0, "a x b c", "x b ");
    assert_selects(2, 2, 0, "a x b", "a x b ");
    assert_selects(1, 1, 0, "a b c", "");
}

static void what_is_left_out_between_is_marked(void **state)
{
    (void)state;
    assert_selects(1, 1, 0, "a x b c d e x f", "a x b -- e x f ");
    assert_selects(1, 1, 0, "a x b c x d", "a x b c x d ");
    assert_selects(1, 0, 0, "a b x x c d x", "b x x -- d x ");
}

static void a_line_in_several_records_counts_once(void **state)
{
    (void)state;
    assert_selects(1, 1, 0, "a b+ c d+ x e+ f g", "b+ c d+ x e+ f ");
    assert_selects(1, 0, 0, "a+ b x", "a+ b x ");
    assert_selects(0, 0, 0, "a+ Q b+ x c", "a+ b+ x ");
}

static void matches_before_the_first_that_counts_are_lines_like_others(void **state)
{
    (void)state;
    assert_selects(1, 0, 3, "x a x x b", "x x ");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_around_a_match_are_shown),
        cmocka_unit_test(what_is_left_out_between_is_marked),
        cmocka_unit_test(a_line_in_several_records_counts_once),
        cmocka_unit_test(matches_before_the_first_that_counts_are_lines_like_others),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
