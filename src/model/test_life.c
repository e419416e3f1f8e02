#include "model/life.h"
#include "util/testing.h"

#define LEASE 30000

static struct life open_since(uint64_t asked_ms)
{
    struct life life = {0};
    life_asked(&life, asked_ms);
    life_opened(&life);
    return life;
}

static void a_job_lives_for_a_lease_after_the_newest_word_that_has_come_to_its_server(void **state)
{
    (void)state;
    struct life life = {.open = true, .asked_ms = 9, .alive_ms = 9};
    life_begin(&life, 5000);
    assert_int_equal(life_until_ms(&life, LEASE), 5000 + LEASE);
    assert_false(life.open);
}

static void the_beginning_of_its_stream_renews_it_from_when_it_was_asked_for(void **state)
{
    (void)state;
    struct life life = {0};
    life_begin(&life, 1000);
    life_asked(&life, 4000);
    assert_int_equal(life_until_ms(&life, LEASE), 1000 + LEASE);
    life_opened(&life);
    assert_int_equal(life_until_ms(&life, LEASE), 4000 + LEASE);
}

static void what_was_proved_before_stays_when_a_stream_was_asked_for_earlier(void **state)
{
    (void)state;
    struct life life = {0};
    life_asked(&life, 4000);
    life.alive_ms = 6000;
    life_opened(&life);
    assert_int_equal(life.alive_ms, 6000);
}

static void an_answered_heartbeat_counts_from_when_it_was_sent(void **state)
{
    (void)state;
    struct life life = open_since(100);
    assert_true(life_answered(&life, 5000));
    assert_int_equal(life_until_ms(&life, LEASE), 5000 + LEASE);
    assert_false(life_answered(&life, 4000)); // an older one takes nothing back
    assert_false(life_answered(&life, 5000));
    assert_int_equal(life_until_ms(&life, LEASE), 5000 + LEASE);
}

static void the_answer_to_a_heartbeat_says_nothing_of_a_stream_that_was_closed(void **state)
{
    (void)state;
    struct life closed = open_since(100), asked_again = closed;
    life_closed(&closed);
    assert_false(life_answered(&closed, 5000));
    life_asked(&asked_again, 4000);
    assert_false(life_answered(&asked_again, 5000));
    assert_int_equal(asked_again.alive_ms, 100);
}

static void a_job_comes_too_late_once_a_lease_has_passed_since_the_last_word_that_came_through(void **state)
{
    (void)state;
    assert_false(life_too_late(1000, LEASE, 1000));
    assert_false(life_too_late(1000, LEASE, 1000 + LEASE - 1));
    assert_true(life_too_late(1000, LEASE, 1000 + LEASE));
    assert_true(life_too_late(0, LEASE, 900000)); // nothing has come through yet
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_lives_for_a_lease_after_the_newest_word_that_has_come_to_its_server),
        cmocka_unit_test(the_beginning_of_its_stream_renews_it_from_when_it_was_asked_for),
        cmocka_unit_test(what_was_proved_before_stays_when_a_stream_was_asked_for_earlier),
        cmocka_unit_test(an_answered_heartbeat_counts_from_when_it_was_sent),
        cmocka_unit_test(the_answer_to_a_heartbeat_says_nothing_of_a_stream_that_was_closed),
        cmocka_unit_test(a_job_comes_too_late_once_a_lease_has_passed_since_the_last_word_that_came_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
