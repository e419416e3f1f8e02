#include "model/batch.h"
#include "util/testing.h"

#define NONE STATUS_COUNT

static void add(struct batch_counts *counts, uint64_t many)
{
    for (uint64_t i = 0; i < many; i++)
        batch_count(counts, &(struct batch_move){.from = NONE, .to = STATUS_QUEUED});
}

static void start(struct batch_counts *counts, int64_t at_ms)
{
    batch_count(counts, &(struct batch_move){.from = STATUS_QUEUED, .to = STATUS_RUNNING, .started_ms = at_ms});
}

static void end(struct batch_counts *counts, enum execution_status as, int64_t started_ms, int64_t ended_ms)
{
    batch_count(counts, &(struct batch_move){STATUS_RUNNING, as, started_ms, ended_ms, 10000});
}

static void a_job_is_counted_where_it_is(void **state)
{
    (void)state;
    struct batch_counts counts = {0};
    add(&counts, 4);
    assert_int_equal(batch_left(&counts), 4);
    start(&counts, 1000);
    start(&counts, 1500);
    assert_int_equal(counts.running_started_sum, 2500);
    assert_int_equal(counts.first_started_ms, 1000);
    batch_count(&counts, &(struct batch_move){STATUS_RUNNING, STATUS_PAUSED, 1000, 0, 0});
    assert_int_equal(batch_running(&counts), 2);
    assert_int_equal(counts.running_started_sum, 2500);
    batch_count(&counts, &(struct batch_move){STATUS_PAUSED, STATUS_COMPLETED, 1000, 4000, 10000});
    end(&counts, STATUS_FAILED, 1500, 2000);
    batch_count(&counts, &(struct batch_move){STATUS_QUEUED, STATUS_SKIPPED, 0, 9000, 0});
    batch_count(&counts, &(struct batch_move){STATUS_QUEUED, STATUS_QUEUED, 0, 0, 0});
    assert_int_equal(batch_total(&counts), 4);
    assert_int_equal(batch_failed(&counts), 1);
    assert_int_equal(batch_left(&counts), 1);
    assert_int_equal(counts.of[STATUS_SKIPPED], 1);
    assert_int_equal(counts.running_started_sum, 0);
    assert_int_equal(counts.ended, 2);
    assert_int_equal(counts.ended_ms_sum, 3500);
    assert_int_equal(counts.cost_micros, 20000);
    assert_int_equal(counts.last_ended_ms, 9000);
}

static void a_newer_attempt_takes_the_place_and_what_was_paid_stays(void **state)
{
    (void)state;
    struct batch_counts counts = {0};
    add(&counts, 1);
    start(&counts, 1000);
    end(&counts, STATUS_FAILED, 1000, 2000);
    batch_count(&counts, &(struct batch_move){.from = STATUS_FAILED, .to = NONE});
    add(&counts, 1);
    assert_int_equal(batch_total(&counts), 1);
    assert_int_equal(batch_failed(&counts), 0);
    assert_int_equal(counts.cost_micros, 10000);
    assert_int_equal(counts.ended, 1);
}

static void a_lost_job_that_comes_back_runs_and_ends_once(void **state)
{
    (void)state;
    struct batch_counts counts = {0};
    add(&counts, 1);
    start(&counts, 1000);
    batch_count(&counts, &(struct batch_move){STATUS_RUNNING, STATUS_LOST, 1000, 0, 0});
    assert_int_equal(batch_failed(&counts), 1);
    assert_int_equal(counts.ended, 0);
    batch_count(&counts, &(struct batch_move){STATUS_LOST, STATUS_RUNNING, 1000, 0, 0});
    assert_int_equal(counts.running_started_sum, 1000);
    end(&counts, STATUS_COMPLETED, 1000, 1200);
    assert_int_equal(counts.ended, 1);
    assert_int_equal(counts.ended_ms_sum, 200);
    assert_int_equal(counts.running_started_sum, 0);
}

static void its_status_follows_its_jobs(void **state)
{
    (void)state;
    static const struct {
        uint64_t queued, running, completed, failed, skipped;
        struct batch_facts facts;
        enum batch_status status;
    } cases[] = {
        {0, 0, 0, 0, 0, {0}, BATCH_COMPLETED},
        {0, 0, 0, 0, 0, {.open = true}, BATCH_QUEUED},
        {5, 0, 0, 0, 0, {0}, BATCH_QUEUED},
        {4, 1, 0, 0, 0, {0}, BATCH_RUNNING},
        {4, 0, 1, 0, 0, {0}, BATCH_RUNNING},
        {0, 0, 3, 2, 1, {0}, BATCH_COMPLETED},
        {0, 0, 3, 2, 1, {.unsettled = true}, BATCH_RUNNING},
        {0, 0, 3, 2, 0, {.open = true}, BATCH_RUNNING},
        {0, 1, 3, 2, 0, {.cancelled = true}, BATCH_RUNNING},
        {0, 0, 3, 2, 0, {.open = true, .cancelled = true}, BATCH_CANCELLED},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct batch_counts counts = {.of = {[STATUS_QUEUED] = cases[i].queued,
                                             [STATUS_RUNNING] = cases[i].running,
                                             [STATUS_COMPLETED] = cases[i].completed,
                                             [STATUS_FAILED] = cases[i].failed,
                                             [STATUS_SKIPPED] = cases[i].skipped}};
        assert_int_equal(batch_status(&counts, &cases[i].facts), cases[i].status);
        bool over = cases[i].status == BATCH_COMPLETED || cases[i].status == BATCH_CANCELLED;
        assert_int_equal(batch_status_over(cases[i].status), over);
    }
    assert_string_equal(batch_status_word(BATCH_CANCELLED), "cancelled");
}

static void it_stops_at_one_failure_more_than_it_may_have(void **state)
{
    (void)state;
    static const struct {
        bool has, percent;
        uint64_t max, failed, lost, completed, queued, expected;
        bool stops;
    } cases[] = {
        {false, false, 0, 9, 0, 0, 0, 0, false},  {true, false, 0, 0, 0, 5, 5, 0, false},
        {true, false, 0, 1, 0, 0, 5, 0, true},    {true, false, 2, 1, 1, 0, 5, 0, false},
        {true, false, 2, 2, 1, 0, 5, 0, true},    {true, true, 10, 1, 0, 0, 9, 0, false},
        {true, true, 10, 2, 0, 0, 8, 0, true},    {true, true, 10, 2, 0, 0, 8, 100, false},
        {true, true, 100, 10, 0, 0, 0, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct batch_counts counts = {.of = {[STATUS_QUEUED] = cases[i].queued,
                                             [STATUS_COMPLETED] = cases[i].completed,
                                             [STATUS_FAILED] = cases[i].failed,
                                             [STATUS_LOST] = cases[i].lost}};
        struct batch_limits limits = {
            .has_max_fails = cases[i].has, .max_fails_is_percent = cases[i].percent, .max_fails = cases[i].max};
        const struct batch_doubt doubt = {.expected = cases[i].expected};
        assert_int_equal(batch_stops(&limits, &counts, &doubt), cases[i].stops);
    }
}

static void one_that_is_lost_has_not_failed_before_it_is_known_not_to_come_back(void **state)
{
    (void)state;
    static const struct {
        uint64_t failed, lost, may_come_back;
        bool stops;
    } cases[] = {
        {0, 2, 0, true}, {0, 2, 1, false}, {0, 2, 2, false}, {1, 1, 1, false}, {2, 3, 3, true}, {2, 0, 1, true},
    };
    const struct batch_limits limits = {.has_max_fails = true, .max_fails = 1};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct batch_counts counts = {.of = {[STATUS_FAILED] = cases[i].failed, [STATUS_LOST] = cases[i].lost}};
        const struct batch_doubt doubt = {.may_come_back = cases[i].may_come_back};
        assert_int_equal(batch_stops(&limits, &counts, &doubt), cases[i].stops);
        assert_int_equal(batch_failed(&counts), cases[i].failed + cases[i].lost); // so they are told meanwhile
    }
}

// --- The time that is left: even jobs, as they would run

struct run {
    unsigned jobs, slots, took_ms, between_ms; // between: until a free slot has its next job
};

// Counts as they are at `now_ms`; when the last one ends comes back.
static int64_t played(const struct run *run, int64_t now_ms, struct batch_counts *counts)
{
    int64_t last_ms = 0;
    add(counts, run->jobs);
    for (unsigned i = 0; i < run->jobs; i++) {
        int64_t started_ms = 1 + (int64_t)(i / run->slots) * (run->took_ms + run->between_ms);
        int64_t ended_ms = started_ms + run->took_ms;
        if (started_ms <= now_ms)
            start(counts, started_ms);
        if (ended_ms <= now_ms)
            end(counts, STATUS_COMPLETED, started_ms, ended_ms);
        last_ms = MAX(last_ms, ended_ms);
    }
    return last_ms;
}

static void at_half_time_the_end_is_known_within_a_fifth(void **state)
{
    (void)state;
    static const struct run runs[] = {
        {100, 8, 1000, 0},   {100, 8, 1000, 150}, {10000, 8, 50, 5}, {9, 4, 2000, 0},  {3, 2, 1000, 0},
        {500, 100, 4000, 0}, {50, 1, 700, 20},    {16, 8, 1000, 0},  {7, 3, 60000, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
        struct batch_counts counts = {0}, scratch = {0};
        int64_t end_ms = played(&runs[i], 0, &scratch), half_ms = end_ms / 2 + 1;
        played(&runs[i], half_ms, &counts);
        int64_t left_ms = end_ms - half_ms, eta_ms = batch_eta_ms(&counts, &(struct batch_limits){0}, half_ms);
        if (eta_ms < left_ms * 8 / 10 || eta_ms > left_ms * 12 / 10)
            fail_msg("run %zu: %lld instead of %lld", i, (long long)eta_ms, (long long)left_ms);
    }
}

// Jobs of very different lengths, in no order, on `slots`: each slot takes the next one when it is free.
static int64_t played_unevenly(unsigned jobs, unsigned slots, int64_t now_ms, uint64_t seed,
                               struct batch_counts *counts)
{
    int64_t free_ms[64] = {0}, last_ms = 0;
    add(counts, jobs);
    for (unsigned i = 0; i < jobs; i++) {
        unsigned slot = 0;
        for (unsigned k = 1; k < slots; k++)
            slot = free_ms[k] < free_ms[slot] ? k : slot;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        int64_t started_ms = free_ms[slot] + 1, ended_ms = started_ms + 100 + (int64_t)(seed >> 40) % 4000;
        if (started_ms <= now_ms)
            start(counts, started_ms);
        if (ended_ms <= now_ms)
            end(counts, STATUS_COMPLETED, started_ms, ended_ms);
        free_ms[slot] = ended_ms;
        last_ms = MAX(last_ms, ended_ms);
    }
    return last_ms;
}

static void at_half_time_of_uneven_jobs_the_end_is_known_within_a_third(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        struct batch_counts counts = {0}, scratch = {0};
        int64_t end_ms = played_unevenly(400, 8, 0, seed, &scratch), half_ms = end_ms / 2;
        played_unevenly(400, 8, half_ms, seed, &counts);
        int64_t left_ms = end_ms - half_ms, eta_ms = batch_eta_ms(&counts, &(struct batch_limits){0}, half_ms);
        if (eta_ms < left_ms * 2 / 3 || eta_ms > left_ms * 4 / 3)
            fail_msg("seed %llu: %lld instead of %lld", (unsigned long long)seed, (long long)eta_ms,
                     (long long)left_ms);
    }
}

static void a_pause_does_not_make_the_rest_longer(void **state)
{
    (void)state;
    struct batch_counts counts = {0};
    add(&counts, 12);
    for (int i = 0; i < 4; i++) {
        start(&counts, 1);
        end(&counts, STATUS_COMPLETED, 1, 1001);
    }
    for (int i = 0; i < 4; i++)
        start(&counts, 1000001); // much later, four at once again
    assert_int_equal(batch_eta_ms(&counts, &(struct batch_limits){0}, 1000501), 1500);
}

static void without_an_end_there_is_nothing_to_go_by(void **state)
{
    (void)state;
    struct batch_counts counts = {0};
    const struct batch_limits limits = {.parallel = 1};
    assert_int_equal(batch_eta_ms(&counts, &limits, 5000), 0);
    add(&counts, 3);
    assert_int_equal(batch_eta_ms(&counts, &limits, 5000), -1);
    start(&counts, 5000);
    assert_int_equal(batch_eta_ms(&counts, &limits, 6000), -1);
    end(&counts, STATUS_COMPLETED, 5000, 6000);
    assert_int_equal(batch_eta_ms(&counts, &limits, 6000), 2000);
}

static void its_own_limit_bounds_how_many_share_the_rest(void **state)
{
    (void)state;
    struct batch_counts counts = {0};
    add(&counts, 12);
    for (int i = 0; i < 4; i++) {
        start(&counts, 1);
        end(&counts, STATUS_COMPLETED, 1, 1001);
    }
    assert_int_equal(batch_eta_ms(&counts, &(struct batch_limits){0}, 1001), 2000);
    assert_int_equal(batch_eta_ms(&counts, &(struct batch_limits){.parallel = 2}, 1001), 4000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_job_is_counted_where_it_is),
        cmocka_unit_test(a_newer_attempt_takes_the_place_and_what_was_paid_stays),
        cmocka_unit_test(a_lost_job_that_comes_back_runs_and_ends_once),
        cmocka_unit_test(its_status_follows_its_jobs),
        cmocka_unit_test(it_stops_at_one_failure_more_than_it_may_have),
        cmocka_unit_test(one_that_is_lost_has_not_failed_before_it_is_known_not_to_come_back),
        cmocka_unit_test(at_half_time_the_end_is_known_within_a_fifth),
        cmocka_unit_test(at_half_time_of_uneven_jobs_the_end_is_known_within_a_third),
        cmocka_unit_test(a_pause_does_not_make_the_rest_longer),
        cmocka_unit_test(without_an_end_there_is_nothing_to_go_by),
        cmocka_unit_test(its_own_limit_bounds_how_many_share_the_rest),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
