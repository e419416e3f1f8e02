#include "model/doubt.h"
#include "util/testing.h"

static enum doubt_verdict judge(enum transaction_state state, bool same_history)
{
    return doubt_judge(&(struct doubt){state, same_history});
}

static void the_database_that_began_it_is_believed(void **state)
{
    (void)state;
    assert_int_equal(judge(TRANSACTION_COMMITTED, true), DOUBT_COMMITTED);
    assert_int_equal(judge(TRANSACTION_ABORTED, true), DOUBT_FAILED);
}

static void another_one_may_have_given_the_number_to_another_transaction(void **state)
{
    (void)state;
    assert_int_equal(judge(TRANSACTION_COMMITTED, false), DOUBT_OPEN);
    assert_int_equal(judge(TRANSACTION_ABORTED, false), DOUBT_FAILED);
}

static void while_it_may_still_commit_nothing_is_decided(void **state)
{
    (void)state;
    assert_int_equal(judge(TRANSACTION_UNDER_WAY, true), DOUBT_ASK_AGAIN);
    assert_int_equal(judge(TRANSACTION_UNDER_WAY, false), DOUBT_ASK_AGAIN);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_database_that_began_it_is_believed),
        cmocka_unit_test(another_one_may_have_given_the_number_to_another_transaction),
        cmocka_unit_test(while_it_may_still_commit_nothing_is_decided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
