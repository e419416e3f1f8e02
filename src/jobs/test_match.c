#include "jobs/match.h"
#include "util/error.h"
#include "util/testing.h"

static const struct str executors[] = {{"process", 7}};

static struct str text_of(struct demand demand)
{
    static struct buf texts[8];
    static size_t at;
    struct buf *text = &texts[at++ % 8];
    buf_reset(text);
    demand_append(&demand, text);
    return buf_str(text);
}

static struct str any(void)
{
    return text_of((struct demand){.executor = STR("process")});
}

static struct str large(void)
{
    return text_of((struct demand){.executor = STR("process"), .cpus_milli = 2000});
}

static struct str gpu(void)
{
    return text_of((struct demand){.executor = STR("process"), .labels = {STR("gpu")}, .label_count = 1});
}

static struct offer offer_of(unsigned slots, uint32_t cpus_milli)
{
    return (struct offer){.slots = slots,
                          .cpus_milli = cpus_milli,
                          .memory_bytes = 1 << 30,
                          .executors = executors,
                          .executor_count = ARRAY_LEN(executors)};
}

static void join(struct match *match, const char *id, int64_t account, unsigned slots, uint32_t cpus_milli)
{
    struct offer offer = offer_of(slots, cpus_milli);
    match_join(match, str_of(id), account, &offer);
}

// Answers the read that is due with jobs of rows first, first + 1 …
static void fill(struct match *match, int64_t account, struct str demand, int64_t first, size_t count)
{
    struct match_action action;
    struct match_job jobs[MATCH_WINDOW];
    assert_int_equal(match_hint(match, account, demand), 0);
    assert_int_equal(match_next(match, &action), MATCH_READ);
    assert_int_equal(action.account, account);
    for (size_t i = 0; i < count; i++)
        jobs[i] = (struct match_job){.row = first + (int64_t)i, .turn = (int64_t)i};
    match_window(match, account, demand, jobs, count, count < MATCH_WINDOW);
}

// The row of the next claim; 0: none.
static int64_t claimed(struct match *match, const char *worker_id)
{
    struct match_action action;
    if (match_next(match, &action) != MATCH_CLAIM)
        return 0;
    if (worker_id)
        assert_str(action.worker_id, worker_id);
    return action.row;
}

static int setup(void **state)
{
    *state = xcalloc(1, sizeof(struct match));
    match_init(*state, 0);
    return 0;
}

static int teardown(void **state)
{
    match_release(*state);
    free(*state);
    return 0;
}

static void a_worker_gets_as_many_as_it_has_slots(void **state)
{
    struct match *match = *state;
    join(match, "w", 0, 2, 8000);
    fill(match, 1, any(), 10, 3);
    assert_int_equal(claimed(match, "w"), 10);
    assert_int_equal(claimed(match, "w"), 11);
    assert_int_equal(claimed(match, "w"), 0);
    match_over(match, 10);
    assert_int_equal(claimed(match, "w"), 12);
    match_over(match, 11);
    match_over(match, 12);
    assert_int_equal(claimed(match, "w"), 0);
}

// Its window was read long ago, when no worker was here; what was in it another server has given out.
static void a_claim_takes_a_slot_until_the_store_refuses_it(void **state)
{
    struct match *match = *state;
    fill(match, 1, any(), 10, 1);
    join(match, "w", 0, 2, 8000);
    assert_int_equal(claimed(match, "w"), 10);
    assert_int_equal(match_offer(match, STR("w"))->slots_free, 1);
    match_over(match, 10);
    assert_int_equal(match_offer(match, STR("w"))->slots_free, 2);
    assert_int_equal(claimed(match, "w"), 0);
}

static void accounts_take_turns(void **state)
{
    struct match *match = *state;
    fill(match, 1, any(), 10, 3);
    fill(match, 2, any(), 20, 3);
    join(match, "w", 0, 4, 8000);
    int64_t sum_first = 0, sum_second = 0;
    for (int i = 0; i < 4; i++) {
        int64_t row = claimed(match, "w");
        sum_first += row < 20;
        sum_second += row >= 20;
    }
    assert_int_equal(sum_first, 2);
    assert_int_equal(sum_second, 2);
}

static void a_worker_of_an_account_takes_that_accounts_alone(void **state)
{
    struct match *match = *state;
    join(match, "w", 2, 4, 8000);
    fill(match, 1, any(), 10, 1);
    assert_int_equal(claimed(match, NULL), 0);
    fill(match, 2, any(), 20, 1);
    assert_int_equal(claimed(match, "w"), 20);
}

static void what_does_not_fit_leaves_the_way_to_what_does(void **state)
{
    struct match *match = *state;
    join(match, "w", 0, 4, 1000);
    fill(match, 1, large(), 10, 1);
    assert_int_equal(claimed(match, NULL), 0);
    fill(match, 1, any(), 20, 1);
    assert_int_equal(claimed(match, "w"), 20);
    join(match, "v", 0, 4, 2000);
    assert_int_equal(claimed(match, "v"), 10);
}

static void lines_of_an_account_go_by_priority_and_turn(void **state)
{
    struct match *match = *state;
    struct match_action action;
    struct match_job first[] = {{.row = 1, .turn = 5}, {.row = 2, .turn = 6}},
                     second[] = {{.row = 3, .turn = 9, .priority = 1}, {.row = 4, .turn = 5}};
    match_hint(match, 1, any());
    match_hint(match, 1, large());
    assert_int_equal(match_next(match, &action), MATCH_READ);
    assert_int_equal(match_next(match, &action), MATCH_READ);
    match_window(match, 1, any(), first, 2, true);
    match_window(match, 1, large(), second, 2, true);
    join(match, "w", 0, 8, 8000);
    const int64_t expected[] = {3, 1, 4, 2, 0};
    for (size_t i = 0; i < ARRAY_LEN(expected); i++)
        assert_int_equal(claimed(match, NULL), expected[i]);
}

static void the_worker_with_the_most_free_slots_is_taken(void **state)
{
    struct match *match = *state;
    join(match, "few", 0, 2, 8000);
    join(match, "many", 0, 3, 8000);
    fill(match, 1, any(), 10, 2);
    assert_int_equal(claimed(match, "many"), 10);
    assert_true(claimed(match, NULL) == 11);
}

static void a_job_that_was_read_before_its_claim_is_not_given_twice(void **state)
{
    struct match *match = *state;
    struct match_job jobs[] = {{.row = 10, .turn = 1}, {.row = 11, .turn = 2}};
    struct match_action action;
    join(match, "w", 0, 1, 8000);
    fill(match, 1, any(), 10, 1);
    assert_int_equal(claimed(match, "w"), 10);
    match_hint(match, 1, any());
    assert_int_equal(match_next(match, &action), MATCH_READ);
    match_window(match, 1, any(), jobs, 2, true); // as it was before
    match_over(match, 10);
    assert_int_equal(claimed(match, "w"), 11);
    match_over(match, 11);
    assert_int_equal(claimed(match, "w"), 0);
}

static void a_window_that_runs_low_is_read_again(void **state)
{
    struct match *match = *state;
    struct match_action action;
    join(match, "w", 0, MATCH_WINDOW, 8000);
    fill(match, 1, any(), 1000, MATCH_WINDOW); // there may be more
    unsigned claims = 0;
    while (match_next(match, &action) == MATCH_CLAIM)
        claims++;
    assert_int_equal(action.kind, MATCH_READ);
    assert_int_equal(claims, MATCH_WINDOW - MATCH_WINDOW / 4);
    match_read_failed(match, 1, any());
    assert_int_equal(match_next(match, &action), MATCH_READ);
}

static void a_hint_during_a_read_is_looked_at_after_it(void **state)
{
    struct match *match = *state;
    struct match_action action;
    match_hint(match, 1, any());
    assert_int_equal(match_next(match, &action), MATCH_READ);
    match_hint(match, 1, any());
    assert_int_equal(match_next(match, &action), MATCH_WAIT);
    match_window(match, 1, any(), NULL, 0, true);
    assert_int_equal(match_next(match, &action), MATCH_READ);
    match_window(match, 1, any(), NULL, 0, true);
    assert_int_equal(match_next(match, &action), MATCH_WAIT);
    assert_int_equal(match->accounts.count, 0); // forgotten
}

static void a_worker_that_left_gets_nothing_and_one_that_is_back_has_what_it_held(void **state)
{
    struct match *match = *state;
    join(match, "w", 0, 2, 8000);
    fill(match, 1, any(), 10, 3);
    assert_int_equal(claimed(match, "w"), 10);
    match_leave(match, STR("w"));
    assert_int_equal(claimed(match, NULL), 0);
    join(match, "w", 0, 2, 8000);
    struct demand demand = {.executor = STR("process")};
    match_held(match, STR("w"), 1, 10, &demand); // once more
    assert_int_equal(claimed(match, "w"), 11);
    assert_int_equal(claimed(match, "w"), 0);
}

static void a_draining_worker_gets_nothing(void **state)
{
    struct match *match = *state;
    join(match, "w", 0, 2, 8000);
    match_drain(match, STR("w"));
    fill(match, 1, any(), 10, 1);
    assert_int_equal(claimed(match, NULL), 0);
}

static void while_it_is_held_nobody_gets_anything_and_then_again(void **state)
{
    struct match *match = *state;
    join(match, "w", 0, 8, 8000);
    fill(match, 1, any(), 10, 2);
    assert_int_equal(claimed(match, "w"), 10);
    match_hold(match, true);
    assert_int_equal(claimed(match, NULL), 0);
    join(match, "v", 0, 8, 8000);
    assert_int_equal(claimed(match, NULL), 0);
    match_hold(match, false);
    assert_int_not_equal(claimed(match, NULL), 0);
}

static void what_an_account_has_elsewhere_counts_towards_its_limit(void **state)
{
    struct match *match = *state;
    struct tally tally;
    tally_init(&tally);
    match->running_max = 3;
    tally_add_id(&tally, 1, 2);
    tally_add_id(&tally, 3, 3);
    match_elsewhere(match, &tally);
    join(match, "w", 0, 8, 8000);
    fill(match, 1, any(), 10, 3);
    assert_int_equal(claimed(match, "w"), 10);
    assert_int_equal(claimed(match, "w"), 0);
    assert_true(match_account_full(match, 1));
    assert_true(match_account_full(match, 3)); // also if it has none here
    assert_false(match_account_full(match, 2));
    match_running(match, &tally);
    assert_int_equal(tally_get_id(&tally, 1), 1); // others are told what is here
    tally_release(&tally);
    match_elsewhere(match, &tally);
    assert_int_equal(claimed(match, "w"), 11);
    assert_int_equal(claimed(match, "w"), 12);
    assert_true(match_account_full(match, 1));
}

static void an_account_has_at_most_so_many_running(void **state)
{
    struct match *match = *state;
    match->running_max = 1;
    join(match, "w", 0, 4, 8000);
    fill(match, 1, any(), 10, 2);
    fill(match, 2, any(), 20, 1);
    assert_true(claimed(match, "w") > 0);
    assert_true(claimed(match, "w") > 0);
    assert_int_equal(claimed(match, "w"), 0);
    assert_true(match_account_full(match, 1));
    match_over(match, 10);
    assert_false(match_account_full(match, 1));
    assert_int_equal(claimed(match, "w"), 11);
}

static enum demand_fit why(struct match *match, const struct demand *demand, struct demand_why *ret)
{
    *ret = (struct demand_why)DEMAND_WHY_NOBODY;
    match_why(match, 1, demand, ret);
    return ret->fit;
}

static void what_would_have_to_be_otherwise_is_told(void **state)
{
    struct match *match = *state;
    struct demand_why told;
    struct demand demand = {.executor = STR("process"), .labels = {STR("gpu")}, .label_count = 1};
    assert_int_equal(why(match, &demand, &told), DEMAND_NO_EXECUTOR);
    join(match, "w", 0, 1, 1000);
    assert_int_equal(why(match, &demand, &told), DEMAND_NO_LABEL);
    assert_str(told.label, "gpu");
    demand.label_count = 0;
    assert_int_equal(why(match, &demand, &told), DEMAND_FITS);
    fill(match, 1, any(), 10, 1);
    assert_int_equal(claimed(match, "w"), 10);
    assert_int_equal(why(match, &demand, &told), DEMAND_BUSY);
    demand.cpus_milli = 4000;
    assert_int_equal(why(match, &demand, &told), DEMAND_TOO_LARGE);
    demand.cpus_milli = 0;
    assert_false(told.drains);
    match_drain(match, STR("w"));
    assert_int_equal(why(match, &demand, &told), DEMAND_NO_EXECUTOR);
    assert_true(told.drains);
}

static void a_worker_that_drained_takes_what_came_meanwhile(void **state)
{
    struct match *match = *state;
    join(match, "w", 0, 2, 8000);
    fill(match, 1, any(), 10, 2);
    assert_int_equal(claimed(match, "w"), 10);
    match_drain(match, STR("w"));
    assert_int_equal(claimed(match, "w"), 0);
    assert_int_equal(match_used(match, STR("w")), 1);
    match_resume(match, STR("w"));
    assert_int_equal(claimed(match, "w"), 11);
    match_resume(match, STR("nobody"));
}

static void too_many_lines_and_what_is_no_demand_are_refused(void **state)
{
    struct match *match = *state;
    assert_int_equal(match_hint(match, 1, STR("process nonsense=1")), ERR_INVALID);
    assert_int_equal(match->accounts.count, 0);
    for (uint32_t i = 0; i < MATCH_LINES_MAX; i++)
        assert_int_equal(
            match_hint(match, 1, text_of((struct demand){.executor = STR("process"), .cpus_milli = i + 1})), 0);
    assert_int_equal(match_hint(match, 1, gpu()), ERR_OVERLOADED);
}

// --- Given back

static void give_back(struct match *match, const char *worker_id, int64_t row, uint64_t now_ms)
{
    match_returned(match, str_of(worker_id), row, STR("its disk is full"), now_ms);
    match_over(match, row);
}

static void a_job_that_is_given_back_rests_for_that_worker_and_holds_up_nobody(void **state)
{
    struct match *match = *state;
    join(match, "w", 0, 1, 8000);
    fill(match, 1, any(), 10, 1);
    assert_int_equal(claimed(match, "w"), 10);
    give_back(match, "w", 10, 5000);
    fill(match, 1, any(), 10, 3);
    assert_int_equal(claimed(match, "w"), 11);
    match_over(match, 11);
    assert_int_equal(claimed(match, "w"), 12);
    match_over(match, 12);
    assert_int_equal(claimed(match, "w"), 0);
    match_wake(match, 5000 + MATCH_REST_MS - 1);
    assert_int_equal(claimed(match, "w"), 0);
    match_wake(match, 5000 + MATCH_REST_MS);
    assert_int_equal(claimed(match, "w"), 10);
}

static void another_worker_has_a_job_that_was_given_back_at_once(void **state)
{
    struct match *match = *state;
    join(match, "w", 0, 4, 8000);
    fill(match, 1, any(), 10, 1);
    assert_int_equal(claimed(match, "w"), 10);
    give_back(match, "w", 10, 5000);
    fill(match, 1, any(), 10, 1);
    assert_int_equal(claimed(match, "w"), 0);
    join(match, "x", 0, 1, 8000);
    assert_int_equal(claimed(match, "x"), 10);
}

static void who_gives_a_job_back_again_and_again_waits_twice_as_long_each_time(void **state)
{
    struct match *match = *state;
    struct match_rest rest;
    uint64_t now = 1000, expected = MATCH_REST_MS;
    join(match, "w", 0, 1, 8000);
    assert_false(match_rests(match, 10, &rest));
    for (int i = 0; i < 12; i++) {
        fill(match, 1, any(), 10, 1);
        assert_int_equal(claimed(match, "w"), 10);
        assert_false(match_rests(match, 10, &rest));
        give_back(match, "w", 10, now);
        assert_true(match_rests(match, 10, &rest));
        assert_false(match_rests(match, 11, &rest));
        assert_str(rest.worker_id, "w");
        assert_str(rest.reason, "its disk is full");
        assert_int_equal(rest.until_ms, now + expected);
        now += expected;
        expected = MIN(2 * expected, (uint64_t)MATCH_REST_MAX_MS);
        match_wake(match, now);
    }
    match_wake(match, now + 10 * (uint64_t)MATCH_REST_MAX_MS); // it was kept since
    assert_int_equal(match->returns.count, 0);
}

static void no_more_returns_are_remembered_than_may_be(void **state)
{
    struct match *match = *state;
    struct match_rest rest;
    for (int64_t row = 1; row <= MATCH_RETURNS_MAX + 1; row++)
        match_returned(match, STR("w"), row, STR(""), 0);
    assert_int_equal(match->returns.count, MATCH_RETURNS_MAX);
    assert_true(match_rests(match, MATCH_RETURNS_MAX, &rest));
    assert_false(match_rests(match, MATCH_RETURNS_MAX + 1, &rest));
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(a_worker_gets_as_many_as_it_has_slots),
        TEST(a_claim_takes_a_slot_until_the_store_refuses_it),
        TEST(accounts_take_turns),
        TEST(a_worker_of_an_account_takes_that_accounts_alone),
        TEST(what_does_not_fit_leaves_the_way_to_what_does),
        TEST(lines_of_an_account_go_by_priority_and_turn),
        TEST(the_worker_with_the_most_free_slots_is_taken),
        TEST(a_job_that_was_read_before_its_claim_is_not_given_twice),
        TEST(a_window_that_runs_low_is_read_again),
        TEST(a_hint_during_a_read_is_looked_at_after_it),
        TEST(a_worker_that_left_gets_nothing_and_one_that_is_back_has_what_it_held),
        TEST(a_draining_worker_gets_nothing),
        TEST(while_it_is_held_nobody_gets_anything_and_then_again),
        TEST(a_worker_that_drained_takes_what_came_meanwhile),
        TEST(an_account_has_at_most_so_many_running),
        TEST(what_an_account_has_elsewhere_counts_towards_its_limit),
        TEST(what_would_have_to_be_otherwise_is_told),
        TEST(too_many_lines_and_what_is_no_demand_are_refused),
        TEST(a_job_that_is_given_back_rests_for_that_worker_and_holds_up_nobody),
        TEST(another_worker_has_a_job_that_was_given_back_at_once),
        TEST(who_gives_a_job_back_again_and_again_waits_twice_as_long_each_time),
        TEST(no_more_returns_are_remembered_than_may_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
