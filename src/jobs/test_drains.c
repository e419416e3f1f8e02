#include "jobs/drains.h"
#include "util/testing.h"

static void the_last_word_holds_for_that_worker_of_that_account(void **state)
{
    struct drains drains;
    (void)state;
    drains_init(&drains);
    assert_true(drains_get(&drains, 1, STR("w"), true));
    assert_false(drains_get(&drains, 1, STR("w"), false));
    drains_set(&drains, 1, STR("w"), true);
    drains_set(&drains, 2, STR("w"), false);
    assert_true(drains_get(&drains, 1, STR("w"), false));
    assert_false(drains_get(&drains, 2, STR("w"), true));
    drains_set(&drains, 1, STR("w"), false);
    assert_false(drains_get(&drains, 1, STR("w"), true));
    drains_release(&drains);
}

static void what_was_asked_for_first_is_forgotten_when_there_are_too_many(void **state)
{
    struct drains drains;
    char id[16];
    (void)state;
    drains_init(&drains);
    for (unsigned i = 0; i <= DRAINS_MAX; i++) {
        snprintf(id, sizeof(id), "w%u", i);
        drains_set(&drains, 1, str_of(id), true);
    }
    assert_int_equal(drains.by_worker.count, DRAINS_MAX);
    assert_false(drains_get(&drains, 1, STR("w0"), false));
    assert_true(drains_get(&drains, 1, STR("w1"), false));
    assert_true(drains_get(&drains, 1, str_of(id), false));
    drains_release(&drains);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_last_word_holds_for_that_worker_of_that_account),
        cmocka_unit_test(what_was_asked_for_first_is_forgotten_when_there_are_too_many),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
