#include "store/engine/write/gather.h"
#include "util/testing.h"

#define MS 1000000ull

// Groups of `ops` operations with `waiting` more, every millisecond. Returns the time after the last.
static uint64_t groups(struct gather *gather, uint64_t from_ns, unsigned count, uint64_t ops, uint64_t waiting)
{
    for (unsigned i = 0; i < count; i++)
        gather_plan(gather, ops, waiting, MS, from_ns += MS);
    return from_ns;
}

static void few_operations_do_not_wait(void **state)
{
    (void)state;
    struct gather gather = {0};
    groups(&gather, MS, 50, 1, 0);
    assert_false(gather.busy);
    assert_int_equal(gather.until_ns, 0);
}

static void many_operations_wait_for_what_was_under_way(void **state)
{
    (void)state;
    struct gather gather = {0};
    uint64_t now = groups(&gather, MS, 10, 7, 9);
    assert_true(gather.until_ns > now);
    assert_true(gather.until_ns <= now + 3 * MS);
    assert_int_equal(gather.whole, 16);
}

static void after_a_long_transaction_the_pause_is_longer_and_bounded(void **state)
{
    (void)state;
    static const struct {
        uint64_t took_ms, pause_ms;
    } cases[] = {{1, 3}, {6, 3}, {10, 5}, {40, 20}, {4000, 20}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct gather gather = {0};
        uint64_t now = groups(&gather, MS, 10, 7, 9);
        gather_plan(&gather, 7, 9, cases[i].took_ms * MS, now + MS);
        assert_int_equal(gather.until_ns, now + MS + cases[i].pause_ms * MS);
    }
}

static void of_long_transactions_a_few_operations_wait(void **state)
{
    (void)state;
    struct gather gather = {0};
    uint64_t now = 0;
    for (int i = 0; i < 5; i++)
        gather_plan(&gather, 4, 4, 6 * MS, now += 7 * MS);
    assert_int_equal(gather.whole, 8);
    assert_true(gather.until_ns > now);
    for (int i = 0; i < 5; i++)
        gather_plan(&gather, 2, 1, 6 * MS, now += 7 * MS);
    assert_int_equal(gather.until_ns, 0);
}

static void groups_that_are_whole_stay_so(void **state)
{
    (void)state;
    struct gather gather = {0};
    uint64_t now = groups(&gather, MS, 10, 7, 9);
    now = groups(&gather, now, 20, 16, 0);
    assert_true(gather.until_ns > now);
    assert_int_equal(gather.whole, 16);
}

static void fewer_under_way_are_noticed(void **state)
{
    (void)state;
    struct gather gather = {0};
    uint64_t now = groups(&gather, MS, 10, 100, 100);
    assert_int_equal(gather.whole, 200);
    groups(&gather, now, 7, 20, 0);
    assert_int_equal(gather.whole, 20);
}

static void it_ends_when_it_becomes_quiet(void **state)
{
    (void)state;
    struct gather gather = {0};
    uint64_t now = groups(&gather, MS, 10, 100, 100);
    groups(&gather, now, 7, 1, 0);
    assert_int_equal(gather.until_ns, 0);
}

static void a_group_has_its_limit(void **state)
{
    (void)state;
    struct gather gather = {0};
    groups(&gather, MS, 10, GROUP_OPS_MAX, 5);
    assert_int_equal(gather.whole, GROUP_OPS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(few_operations_do_not_wait),
        cmocka_unit_test(many_operations_wait_for_what_was_under_way),
        cmocka_unit_test(after_a_long_transaction_the_pause_is_longer_and_bounded),
        cmocka_unit_test(of_long_transactions_a_few_operations_wait),
        cmocka_unit_test(groups_that_are_whole_stay_so),
        cmocka_unit_test(fewer_under_way_are_noticed),
        cmocka_unit_test(it_ends_when_it_becomes_quiet),
        cmocka_unit_test(a_group_has_its_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
