#include "model/quiet.h"
#include "util/error.h"
#include "util/testing.h"

#define PERIOD 60000

static bool looks(struct quiet_seen *seen, uint64_t next, enum execution_status status, uint64_t now_ms)
{
    return quiet_look(seen, next, status, PERIOD, now_ms);
}

static void a_log_is_quiet_when_nothing_has_come_for_the_whole_period(void **state)
{
    (void)state;
    struct quiet_seen seen = {0};
    assert_false(looks(&seen, 0, STATUS_RUNNING, 1000)); // an empty one, too
    assert_false(looks(&seen, 0, STATUS_RUNNING, 1000 + PERIOD - 1));
    assert_true(looks(&seen, 0, STATUS_RUNNING, 1000 + PERIOD));
    assert_true(looks(&seen, 0, STATUS_RUNNING, 1000 + PERIOD + 1)); // the first time may have failed
}

static void what_comes_and_what_is_told_begins_the_period_anew(void **state)
{
    (void)state;
    struct quiet_seen seen = {0};
    assert_false(looks(&seen, 5, STATUS_RUNNING, 1000));
    assert_false(looks(&seen, 6, STATUS_RUNNING, 1000 + PERIOD));
    assert_false(looks(&seen, 6, STATUS_COMPLETED, 1000 + 2 * PERIOD));
    assert_false(looks(&seen, 6, STATUS_COMPLETED, 1000 + 3 * PERIOD - 1));
    assert_true(looks(&seen, 6, STATUS_COMPLETED, 1000 + 3 * PERIOD));
}

static void what_has_come_or_was_told_since_forbids_the_seal(void **state)
{
    (void)state;
    const struct quiet_seen seen = {.next = 7, .status = STATUS_RUNNING};
    assert_int_equal(quiet_judge(&seen, 7, STATUS_RUNNING), 0);
    assert_int_equal(quiet_judge(&seen, 8, STATUS_RUNNING), ERR_CONFLICT);
    assert_int_equal(quiet_judge(&seen, 7, STATUS_COMPLETED), ERR_CONFLICT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_log_is_quiet_when_nothing_has_come_for_the_whole_period),
        cmocka_unit_test(what_comes_and_what_is_told_begins_the_period_anew),
        cmocka_unit_test(what_has_come_or_was_told_since_forbids_the_seal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
