#include "fanout/places.h"
#include "util/testing.h"

#include <pthread.h>

#define ACCOUNT 3

static void places_are_counted_by_account(void **state)
{
    (void)state;
    struct places *places = places_new();
    for (int round = 0; round < 3; round++) {
        assert_true(places_take(places, ACCOUNT, 2));
        assert_true(places_take(places, ACCOUNT, 2));
        assert_false(places_take(places, ACCOUNT, 2));
        assert_true(places_take(places, ACCOUNT + 1, 1));
        assert_false(places_take(places, ACCOUNT + 1, 1));
        places_leave(places, ACCOUNT);
        assert_true(places_take(places, ACCOUNT, 2));
        places_leave(places, ACCOUNT);
        places_leave(places, ACCOUNT);
        places_leave(places, ACCOUNT + 1);
    }
    places_leave(places, ACCOUNT); // nobody is there: as before
    assert_true(places_take(places, ACCOUNT, 1));
    assert_false(places_take(places, ACCOUNT + 2, 0));
    places_free(&places);
    places_free(&places);
}

static void what_is_taken_elsewhere_counts(void **state)
{
    (void)state;
    struct places *places = places_new();
    struct tally tally;
    tally_init(&tally);
    tally_add_id(&tally, ACCOUNT, 2);
    places_elsewhere(places, &tally);
    assert_true(places_take(places, ACCOUNT, 3));
    assert_false(places_take(places, ACCOUNT, 3));
    assert_false(places_take(places, ACCOUNT + 1, 0));
    assert_true(places_take(places, ACCOUNT + 1, 3));
    places_tally(places, 3, &tally); // and what is taken here, is told to others
    assert_int_equal(tally_get_id(&tally, ACCOUNT), 1);
    assert_int_equal(tally_get_id(&tally, ACCOUNT + 1), 1);
    tally_release(&tally);
    places_tally(places, 33, &tally); // too little of what may be
    assert_int_equal(tally_get_id(&tally, ACCOUNT), 0);
    tally_add_id(&tally, ACCOUNT, 9);
    places_elsewhere(places, &tally);
    assert_false(places_take(places, ACCOUNT, 3)); // a smaller limit came meanwhile, or several came at once
    places_elsewhere(places, &tally);
    assert_true(places_take(places, ACCOUNT, 3));
    tally_release(&tally);
    places_free(&places);
}

#define ROUNDS 20000
#define PLACES 2

struct taker {
    struct places *places;
    _Atomic int *inside;
    unsigned taken;
};

static void *take_and_leave(void *arg)
{
    struct taker *taker = arg;
    for (int i = 0; i < ROUNDS; i++) {
        if (!places_take(taker->places, ACCOUNT, PLACES))
            continue;
        taker->taken++;
        assert_true(++*taker->inside <= PLACES);
        --*taker->inside;
        places_leave(taker->places, ACCOUNT);
    }
    return NULL;
}

static void of_several_threads_no_more_are_inside_than_may_be(void **state)
{
    (void)state;
    struct places *places = places_new();
    _Atomic int inside = 0;
    struct taker takers[3];
    pthread_t threads[ARRAY_LEN(takers)];
    for (size_t i = 0; i < ARRAY_LEN(takers); i++) {
        takers[i] = (struct taker){.places = places, .inside = &inside};
        assert_int_equal(pthread_create(&threads[i], NULL, take_and_leave, &takers[i]), 0);
    }
    for (size_t i = 0; i < ARRAY_LEN(takers); i++) {
        pthread_join(threads[i], NULL);
        assert_true(takers[i].taken > 0);
    }
    for (int i = 0; i < PLACES; i++)
        assert_true(places_take(places, ACCOUNT, PLACES)); // all were given back
    places_free(&places);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_counted_by_account),
        cmocka_unit_test(what_is_taken_elsewhere_counts),
        cmocka_unit_test(of_several_threads_no_more_are_inside_than_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
