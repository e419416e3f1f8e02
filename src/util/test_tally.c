#include "util/tally.h"
#include "util/testing.h"

static void counts_are_added_by_name(void **state)
{
    (void)state;
    struct tally tally;
    char name[] = "10.0.0.1";
    tally_init(&tally);
    assert_int_equal(tally_get(&tally, STR("10.0.0.1")), 0);
    tally_add(&tally, str_of(name), 2);
    name[0] = 'x'; // it was copied
    tally_add(&tally, STR("10.0.0.1"), 3);
    tally_add(&tally, STR("10.0.0.2"), 7);
    tally_add(&tally, str_n("10.0.0.1\0", 9), 11); // another name
    assert_int_equal(tally_get(&tally, STR("10.0.0.1")), 5);
    assert_int_equal(tally_get(&tally, STR("10.0.0.2")), 7);
    assert_int_equal(tally_get(&tally, STR("10.0.0.3")), 0);
    tally_add(&tally, STR("10.0.0.2"), UINT64_MAX);
    assert_true(tally_get(&tally, STR("10.0.0.2")) == UINT64_MAX);
    tally_release(&tally);
    assert_int_equal(tally_get(&tally, STR("10.0.0.1")), 0);
    tally_add(&tally, STR("10.0.0.1"), 1);
    assert_int_equal(tally_get(&tally, STR("10.0.0.1")), 1);
    tally_release(&tally);
}

static void what_is_taken_replaces_what_was_there(void **state)
{
    (void)state;
    struct tally tally, from;
    tally_init(&tally);
    tally_init(&from);
    tally_add(&tally, STR("gone"), 1);
    tally_add(&from, STR("here"), 2);
    tally_take(&tally, &from);
    assert_int_equal(tally_get(&tally, STR("gone")), 0);
    assert_int_equal(tally_get(&tally, STR("here")), 2);
    assert_int_equal(tally_get(&from, STR("here")), 0);
    tally_take(&tally, &from);
    assert_int_equal(tally_get(&tally, STR("here")), 0);
    tally_release(&tally);
    tally_release(&from);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_are_added_by_name),
        cmocka_unit_test(what_is_taken_replaces_what_was_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
