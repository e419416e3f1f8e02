#include "model/news.h"
#include "util/testing.h"

static void look(struct news_place *place, int64_t oldest, int64_t transaction, int64_t id)
{
    assert_int_equal(place->transaction, transaction);
    assert_int_equal(place->id, id);
    news_look(place, oldest);
}

static void news_of_a_transaction_that_commits_late_are_found_and_others_are_not_found_again(void **state)
{
    (void)state;
    struct news_place place;
    news_begin(&place, 10);
    look(&place, 10, 10, 0); // 10 is under way
    assert_true(news_found(&place, 2));
    news_read(&place, true, 11, 2);
    look(&place, 13, 10, 0);
    assert_true(news_found(&place, 1)); // of 10
    assert_false(news_found(&place, 2));
    assert_true(news_found(&place, 3));
    news_read(&place, true, 12, 3);
    look(&place, 13, 13, 0);
    news_read(&place, true, 0, 0);
    news_release(&place);
}

static void very_many_are_read_in_parts_while_an_old_transaction_goes_on(void **state)
{
    (void)state;
    struct news_place place;
    news_begin(&place, 10);
    look(&place, 10, 10, 0);
    assert_true(news_found(&place, 5));
    assert_true(news_found(&place, 6));
    news_read(&place, false, 20, 6);
    look(&place, 40, 20, 6); // of the same transaction, too
    assert_true(news_found(&place, 7));
    news_read(&place, true, 20, 7);
    look(&place, 40, 10, 0); // where it was when the round began
    assert_true(news_found(&place, 1));
    assert_false(news_found(&place, 5));
    assert_false(news_found(&place, 6));
    assert_false(news_found(&place, 7));
    news_read(&place, true, 20, 7);
    assert_int_equal(place.transaction, 40);
    news_release(&place);
}

static void what_a_look_that_failed_has_found_is_found_again(void **state)
{
    (void)state;
    struct news_place place;
    news_begin(&place, 10);
    look(&place, 12, 10, 0);
    assert_true(news_found(&place, 1));
    look(&place, 12, 10, 0);
    assert_true(news_found(&place, 1));
    news_read(&place, true, 11, 1);
    assert_int_equal(place.known_count, 1);
    news_release(&place);
}

static void another_database_is_read_from_before(void **state)
{
    (void)state;
    struct news_place place;
    news_begin(&place, 100);
    news_go_back(&place, 90);
    look(&place, 95, 90, 0);
    assert_true(news_found(&place, 9));
    news_read(&place, false, 97, 9);
    news_go_back(&place, 99); // within a round
    look(&place, 99, 95, 0);
    assert_true(news_found(&place, 9));
    news_read(&place, true, 97, 9);
    look(&place, 120, 99, 0);
    news_release(&place);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(news_of_a_transaction_that_commits_late_are_found_and_others_are_not_found_again),
        cmocka_unit_test(very_many_are_read_in_parts_while_an_old_transaction_goes_on),
        cmocka_unit_test(what_a_look_that_failed_has_found_is_found_again),
        cmocka_unit_test(another_database_is_read_from_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
