#include "model/status.h"
#include "util/testing.h"

static void words_parse_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < STATUS_COUNT; i++) {
        enum execution_status status = STATUS_COUNT;
        assert_true(status_parse(str_of(status_word((enum execution_status)i)), &status));
        assert_int_equal(status, i);
    }
    enum execution_status status;
    assert_false(status_parse(STR("RUNNING"), &status));
    assert_false(status_parse(STR(""), &status));
}

// A row for each status, in the order of the enum; 'x' where the change is allowed.
static void the_table_allows_exactly_these_changes(void **state)
{
    (void)state;
    static const char *const rows[STATUS_COUNT] = {
        //                       qrwpcfxtsl
        [STATUS_QUEUED] = "xx...xxxxx",    [STATUS_RUNNING] = ".xxxxxxx.x",   [STATUS_WAITING] = ".xx.xxxx.x",
        [STATUS_PAUSED] = ".x.xxxxx.x",    [STATUS_COMPLETED] = "....x.....", [STATUS_FAILED] = ".....x....",
        [STATUS_CANCELLED] = "......x...", [STATUS_TIMED_OUT] = ".......x..", [STATUS_SKIPPED] = "........x.",
        [STATUS_LOST] = ".x..xxxx.x",
    };
    for (unsigned from = 0; from < STATUS_COUNT; from++) {
        for (unsigned to = 0; to < STATUS_COUNT; to++)
            assert_int_equal(status_may_become((enum execution_status)from, (enum execution_status)to),
                             rows[from][to] == 'x');
    }
}

static void lost_is_not_terminal(void **state)
{
    (void)state;
    assert_false(status_terminal(STATUS_LOST));
    assert_false(status_terminal(STATUS_RUNNING));
    assert_true(status_terminal(STATUS_COMPLETED));
    assert_true(status_terminal(STATUS_TIMED_OUT));
    assert_true(status_terminal(STATUS_SKIPPED));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_parse_back),
        cmocka_unit_test(the_table_allows_exactly_these_changes),
        cmocka_unit_test(lost_is_not_terminal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
