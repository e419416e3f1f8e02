#include "model/doubt.h"
#include "util/testing.h"

static enum doubt_verdict judge(bool held, uint64_t stored)
{
    return doubt_judge(&(struct doubt){.held = held, .stored = stored, .number = 7});
}

static void what_the_row_says_is_there(void **state)
{
    (void)state;
    assert_int_equal(judge(false, 7), DOUBT_COMMITTED);
    assert_int_equal(judge(false, 6), DOUBT_FAILED);
}

static void a_database_that_has_gone_back_does_not_have_it(void **state)
{
    (void)state;
    assert_int_equal(judge(false, 3), DOUBT_FAILED);
    assert_int_equal(judge(false, 0), DOUBT_FAILED);
}

static void while_it_may_still_commit_nothing_is_decided(void **state)
{
    (void)state;
    assert_int_equal(judge(true, 6), DOUBT_ASK_AGAIN);
    assert_int_equal(judge(true, 7), DOUBT_ASK_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_the_row_says_is_there),
        cmocka_unit_test(a_database_that_has_gone_back_does_not_have_it),
        cmocka_unit_test(while_it_may_still_commit_nothing_is_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
