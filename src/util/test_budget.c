#include "util/budget.h"
#include "util/testing.h"

#define MIB        ((size_t)1024 * 1024)
#define MEMORY_MAX (256 * MIB) // of which requests get two sixteenths: 32 MiB

static void the_parts_are_the_whole(void **state)
{
    (void)state;
    struct budget *budget = budget_new(MEMORY_MAX);
    size_t sum = 0;
    for (enum budget_holder holder = 0; holder < BUDGET_HOLDER_COUNT; holder++)
        sum += budget_bound(budget, holder);
    assert_int_equal(sum, MEMORY_MAX);
    assert_int_equal(budget_bound(budget, BUDGET_requests), 32 * MIB);
    budget_free(&budget);
}

static void a_part_has_a_bound_on_large_machines_too(void **state)
{
    (void)state;
    struct budget *budget = budget_new((uint64_t)64 * 1024 * MIB);
    assert_int_equal(budget_bound(budget, BUDGET_requests), 256 * MIB);
    budget_free(&budget);
}

static void an_account_gets_no_more_than_half_of_what_the_others_leave(void **state)
{
    (void)state;
    struct budget *budget = budget_new(MEMORY_MAX);
    struct budget_account *greedy = budget_account(budget, 1), *other = budget_account(budget, 2);
    size_t taken = 0;
    while (budget_take(greedy, BUDGET_requests, MIB))
        taken += MIB;
    assert_int_equal(taken, 16 * MIB);
    assert_int_equal(budget_refused(budget, BUDGET_requests), 1);
    // The other one finds as much again as if it were alone with what is left.
    for (taken = 0; budget_take(other, BUDGET_requests, MIB);)
        taken += MIB;
    assert_int_equal(taken, 8 * MIB);
    assert_int_equal(budget_held(budget, BUDGET_requests), 24 * MIB);
    budget_give(greedy, BUDGET_requests, 16 * MIB);
    budget_give(other, BUDGET_requests, 8 * MIB);
    assert_int_equal(budget_held(budget, BUDGET_requests), 0);
    budget_account_unref(&greedy);
    budget_account_unref(&other);
    budget_free(&budget);
}

static void who_holds_nothing_may_take_what_fits(void **state)
{
    (void)state;
    struct budget *budget = budget_new(MEMORY_MAX);
    struct budget_account *account = budget_account(budget, 1);
    assert_true(budget_take(account, BUDGET_requests, 20 * MIB));
    assert_false(budget_take(account, BUDGET_requests, 1));
    budget_give(account, BUDGET_requests, 20 * MIB);
    assert_false(budget_take(account, BUDGET_requests, 33 * MIB));
    budget_account_unref(&account);
    budget_free(&budget);
}

static void strangers_share_little(void **state)
{
    (void)state;
    struct budget *budget = budget_new((uint64_t)64 * 1024 * MIB);
    struct budget_account *nobody = budget_account(budget, BUDGET_NOBODY);
    assert_true(budget_take(nobody, BUDGET_answers, BUDGET_STRANGERS));
    assert_false(budget_take(nobody, BUDGET_answers, 1));
    budget_give(nobody, BUDGET_answers, BUDGET_STRANGERS);
    assert_false(budget_take(nobody, BUDGET_answers, BUDGET_STRANGERS + 1));
    budget_account_unref(&nobody);
    budget_free(&budget);
}

static void what_is_there_already_counts_against_what_comes(void **state)
{
    (void)state;
    struct budget *budget = budget_new(MEMORY_MAX);
    struct budget_account *account = budget_account(budget, 1);
    assert_true(budget_within(account, BUDGET_intake));
    budget_charge(account, BUDGET_intake, 30 * MIB);
    assert_false(budget_within(account, BUDGET_intake)); // 18 MiB of 48 are left
    budget_give(account, BUDGET_intake, 6 * MIB);
    assert_true(budget_within(account, BUDGET_intake));
    assert_true(budget_tight(account, BUDGET_intake));
    budget_give(account, BUDGET_intake, 14 * MIB);
    assert_false(budget_tight(account, BUDGET_intake)); // 10 MiB of the 24 that it may have
    assert_int_equal(budget_room(account, BUDGET_intake), 14 * MIB);
    assert_true(budget_take(account, BUDGET_intake, 14 * MIB));
    assert_int_equal(budget_room(account, BUDGET_intake), 0);
    assert_false(budget_take(account, BUDGET_intake, 1));
    budget_give(account, BUDGET_intake, 24 * MIB);
    budget_account_unref(&account);
    budget_free(&budget);
}

static void a_lease_grows_shrinks_and_gives_all_back(void **state)
{
    (void)state;
    struct budget *budget = budget_new(MEMORY_MAX);
    struct budget_account *account = budget_account(budget, 1);
    struct budget_lease lease = {0}, other = {0};
    assert_true(budget_lease_set(&lease, account, BUDGET_answers, 20 * MIB));
    assert_true(budget_lease_set(&lease, account, BUDGET_answers, 10 * MIB));
    assert_int_equal(budget_held(budget, BUDGET_answers), 10 * MIB);
    assert_false(budget_lease_set(&other, account, BUDGET_answers, 60 * MIB));
    assert_int_equal(budget_held(budget, BUDGET_answers), 10 * MIB);
    budget_lease_charge(&other, account, BUDGET_answers, 60 * MIB);
    assert_int_equal(budget_held(budget, BUDGET_answers), 70 * MIB);
    budget_account_unref(&account); // a lease holds its own
    budget_lease_release(&lease);
    budget_lease_release(&other);
    budget_lease_release(&other);
    assert_int_equal(budget_held(budget, BUDGET_answers), 0);
    budget_free(&budget);
}

static void without_a_budget_everything_is_allowed(void **state)
{
    (void)state;
    struct budget_account *account = budget_account(NULL, 1);
    struct budget_lease lease = {0};
    assert_null(account);
    assert_true(budget_take(account, BUDGET_answers, SIZE_MAX));
    assert_true(budget_within(account, BUDGET_answers));
    assert_false(budget_tight(account, BUDGET_answers));
    assert_true(budget_lease_set(&lease, account, BUDGET_answers, SIZE_MAX));
    budget_lease_charge(&lease, account, BUDGET_answers, SIZE_MAX);
    budget_lease_release(&lease);
    budget_account_unref(&account);
}

struct taker {
    struct budget_account *account;
    uint64_t seed;
};

static void *take_and_give(void *arg)
{
    struct taker *taker = arg;
    for (int i = 0; i < 20000; i++) {
        size_t bytes = test_random(&taker->seed) % MIB;
        if (budget_take(taker->account, BUDGET_cache, bytes))
            budget_give(taker->account, BUDGET_cache, bytes);
    }
    return NULL;
}

static void nothing_is_lost_between_threads(void **state)
{
    (void)state;
    enum { THREADS = 4 };
    struct budget *budget = budget_new(8 * MIB);
    struct taker takers[THREADS];
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++) {
        takers[i] = (struct taker){budget_account(budget, i % 2 + 1), (uint64_t)i + 1};
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_give, &takers[i]), 0);
    }
    for (int i = 0; i < THREADS; i++) {
        pthread_join(threads[i], NULL);
        budget_account_unref(&takers[i].account);
    }
    assert_int_equal(budget_held(budget, BUDGET_cache), 0);
    budget_free(&budget);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_parts_are_the_whole),
        cmocka_unit_test(a_part_has_a_bound_on_large_machines_too),
        cmocka_unit_test(an_account_gets_no_more_than_half_of_what_the_others_leave),
        cmocka_unit_test(who_holds_nothing_may_take_what_fits),
        cmocka_unit_test(strangers_share_little),
        cmocka_unit_test(what_is_there_already_counts_against_what_comes),
        cmocka_unit_test(a_lease_grows_shrinks_and_gives_all_back),
        cmocka_unit_test(without_a_budget_everything_is_allowed),
        cmocka_unit_test(nothing_is_lost_between_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
