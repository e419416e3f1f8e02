#include "model/dependency.h"
#include "util/testing.h"

static void words_parse_back(void **state)
{
    (void)state;
    enum dependency_wish wish;
    for (unsigned i = 0; i < DEPENDENCY_WISH_COUNT; i++) {
        assert_true(dependency_parse(str_of(dependency_word((enum dependency_wish)i)), &wish));
        assert_int_equal(wish, i);
    }
    assert_false(dependency_parse(STR("OK"), &wish));
    assert_false(dependency_parse(STR(""), &wish));
}

static void a_wish_is_judged_once_its_parent_is_over(void **state)
{
    (void)state;
    static const struct {
        enum dependency_wish wish;
        bool over, failed;
        enum dependency_verdict verdict;
    } cases[] = {
        {DEPENDENCY_OK, false, false, DEPENDENCY_WAITS},       {DEPENDENCY_OK, false, true, DEPENDENCY_WAITS},
        {DEPENDENCY_ANY, false, false, DEPENDENCY_WAITS},      {DEPENDENCY_FAILED, false, true, DEPENDENCY_WAITS},
        {DEPENDENCY_OK, true, false, DEPENDENCY_SATISFIED},    {DEPENDENCY_OK, true, true, DEPENDENCY_IMPOSSIBLE},
        {DEPENDENCY_ANY, true, false, DEPENDENCY_SATISFIED},   {DEPENDENCY_ANY, true, true, DEPENDENCY_SATISFIED},
        {DEPENDENCY_FAILED, true, true, DEPENDENCY_SATISFIED}, {DEPENDENCY_FAILED, true, false, DEPENDENCY_IMPOSSIBLE},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++)
        assert_int_equal(dependency_judge(cases[i].wish, cases[i].over, cases[i].failed), cases[i].verdict);
}

static void the_reason_names_the_parent_and_how_it_ended(void **state)
{
    (void)state;
    static const struct {
        enum dependency_wish wish;
        bool batch;
        enum execution_status ended;
        const char *reason;
    } cases[] = {
        {DEPENDENCY_OK, false, STATUS_TIMED_OUT, "it was to run if p completed, and that one ended as timed_out"},
        {DEPENDENCY_FAILED, false, STATUS_COMPLETED, "it was to run if p failed, and that one ended as completed"},
        {DEPENDENCY_OK, true, STATUS_COUNT, "it was to run if all jobs of p completed, and one did not"},
        {DEPENDENCY_FAILED, true, STATUS_COUNT, "it was to run if a job of p failed, and all completed"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        dependency_reason(cases[i].wish, STR("p"), cases[i].batch, cases[i].ended, &out);
        assert_string_equal(buf_cstr(&out), cases[i].reason);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_parse_back),
        cmocka_unit_test(a_wish_is_judged_once_its_parent_is_over),
        cmocka_unit_test(the_reason_names_the_parent_and_how_it_ended),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
