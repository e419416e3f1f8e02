#include "model/outcome.h"
#include "util/error.h"
#include "util/testing.h"

#define NOW 5000

static struct outcome stands(enum execution_status status, uint64_t epoch)
{
    return (struct outcome){.status = status, .epoch = epoch, .started_ms = epoch ? 1000 : 0};
}

static struct outcome_ask ask(enum outcome_cause cause, enum execution_status status)
{
    return (struct outcome_ask){.cause = cause, .status = status};
}

static struct outcome after(struct outcome now, struct outcome_ask ask)
{
    struct outcome next;
    assert_int_equal(outcome_next(&now, &ask, NOW, &next), 0);
    return next;
}

static void assert_refused(struct outcome now, struct outcome_ask ask, int err)
{
    struct outcome next = {.epoch = 4711};
    assert_int_equal(outcome_next(&now, &ask, NOW, &next), err);
    assert_int_equal(next.epoch, 4711); // untouched
}

static void only_what_never_had_a_runner_is_sealed_by_being_told_how_it_ended(void **state)
{
    (void)state;
    static const struct {
        enum execution_status from, told;
        uint64_t epoch;
        bool sealed;
    } cases[] = {
        {STATUS_QUEUED, STATUS_CANCELLED, 0, true},    {STATUS_RUNNING, STATUS_COMPLETED, 0, true},
        {STATUS_QUEUED, STATUS_RUNNING, 0, false},     {STATUS_RUNNING, STATUS_COMPLETED, 1, false},
        {STATUS_RUNNING, STATUS_CANCELLED, 1, false},  {STATUS_PAUSED, STATUS_FAILED, 2, false},
        {STATUS_LOST, STATUS_COMPLETED, 1, false},     {STATUS_LOST, STATUS_CANCELLED, 1, true},
        {STATUS_COMPLETED, STATUS_COMPLETED, 0, true}, {STATUS_COMPLETED, STATUS_COMPLETED, 1, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome next = after(stands(cases[i].from, cases[i].epoch), ask(OUTCOME_TOLD, cases[i].told));
        assert_int_equal(next.status, cases[i].told);
        assert_int_equal(next.sealed, cases[i].sealed);
        assert_int_equal(next.sealed_ms, cases[i].sealed ? NOW : 0);
        assert_int_equal(next.completed_ms, status_terminal(cases[i].told) ? NOW : 0);
    }
}

static void a_cancel_ends_what_nobody_runs_and_leaves_the_rest_to_its_runner(void **state)
{
    (void)state;
    static const struct {
        enum execution_status from;
        uint64_t epoch;
        bool ends;
    } cases[] = {
        {STATUS_QUEUED, 0, true},   {STATUS_RUNNING, 0, true}, {STATUS_RUNNING, 1, false},   {STATUS_PAUSED, 1, false},
        {STATUS_WAITING, 3, false}, {STATUS_LOST, 2, true},    {STATUS_COMPLETED, 1, false}, {STATUS_FAILED, 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome now = stands(cases[i].from, cases[i].epoch);
        struct outcome next = after(now, ask(OUTCOME_CANCELLED, STATUS_QUEUED));
        assert_int_equal(next.sealed, cases[i].ends);
        assert_int_equal(next.status, cases[i].ends ? STATUS_CANCELLED : cases[i].from);
        assert_int_equal(outcome_equal(&now, &next), !cases[i].ends);
    }
}

static void the_end_that_is_told_of_a_late_log_leaves_it_open_until_it_is_quiet(void **state)
{
    (void)state;
    static const enum outcome_cause causes[] = {OUTCOME_TOLD, OUTCOME_CANCELLED};
    for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
        struct outcome now = stands(STATUS_RUNNING, 0);
        now.late = true;
        struct outcome_ask told = ask(causes[i], STATUS_CANCELLED);
        told.has_exit_code = true;
        told.exit_code = 130;
        struct outcome ended = after(now, told);
        assert_int_equal(ended.status, STATUS_CANCELLED);
        assert_false(ended.sealed);
        assert_int_equal(ended.completed_ms, NOW);
        assert_refused(ended, ask(OUTCOME_TOLD, STATUS_COMPLETED), ERR_BAD_TRANSITION);
        struct outcome closed = after(ended, ask(OUTCOME_QUIET, STATUS_QUEUED));
        assert_true(closed.sealed);
        assert_int_equal(closed.status, STATUS_CANCELLED);
        assert_int_equal(closed.exit_code, 130);
    }
    struct outcome held = stands(STATUS_RUNNING, 1); // its runner ends its log, late or not
    held.late = true;
    assert_false(after(held, ask(OUTCOME_TOLD, STATUS_COMPLETED)).sealed);
    assert_true(after(held, ask(OUTCOME_ENDED, STATUS_COMPLETED)).sealed);
}

static void a_quiet_log_that_nobody_ended_is_lost(void **state)
{
    (void)state;
    struct outcome next = after(stands(STATUS_RUNNING, 0), ask(OUTCOME_QUIET, STATUS_QUEUED));
    assert_true(next.sealed);
    assert_int_equal(next.status, STATUS_LOST);
    assert_false(next.has_exit_code);
    static const struct {
        enum execution_status status;
        uint64_t epoch;
    } not_quiet[] = {{STATUS_QUEUED, 0}, {STATUS_WAITING, 0}, {STATUS_RUNNING, 1}, {STATUS_LOST, 1}};
    for (size_t i = 0; i < ARRAY_LEN(not_quiet); i++)
        assert_refused(stands(not_quiet[i].status, not_quiet[i].epoch), ask(OUTCOME_QUIET, STATUS_QUEUED),
                       ERR_BAD_TRANSITION);
    next.status = STATUS_COMPLETED;
    assert_refused(next, ask(OUTCOME_QUIET, STATUS_QUEUED), ERR_SEALED);
}

static void the_runner_of_a_lost_one_that_was_cancelled_has_an_old_epoch(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct outcome next =
            after(stands(STATUS_LOST, 7), ask(i ? OUTCOME_TOLD : OUTCOME_CANCELLED, STATUS_CANCELLED));
        assert_int_equal(next.epoch, 8);
        assert_refused(next, ask(OUTCOME_BACK, STATUS_QUEUED), ERR_SEALED);
        assert_refused(next, ask(OUTCOME_CLAIMED, STATUS_QUEUED), ERR_SEALED);
        struct outcome again = after(next, ask(OUTCOME_CANCELLED, STATUS_QUEUED));
        assert_true(outcome_equal(&next, &again));
    }
    assert_int_equal(after(stands(STATUS_QUEUED, 0), ask(OUTCOME_CANCELLED, STATUS_QUEUED)).epoch, 0);
}

static void a_claim_is_a_new_epoch_unless_all_is_over(void **state)
{
    (void)state;
    struct outcome next = after(stands(STATUS_QUEUED, 0), ask(OUTCOME_CLAIMED, STATUS_QUEUED));
    assert_int_equal(next.epoch, 1);
    assert_int_equal(next.status, STATUS_RUNNING);
    assert_int_equal(next.started_ms, NOW);
    next = after(stands(STATUS_LOST, 3), ask(OUTCOME_CLAIMED, STATUS_QUEUED));
    assert_int_equal(next.epoch, 4);
    assert_int_equal(next.started_ms, 1000);
    assert_refused(stands(STATUS_CANCELLED, 1), ask(OUTCOME_CLAIMED, STATUS_QUEUED), ERR_BAD_TRANSITION);
    struct outcome sealed = stands(STATUS_RUNNING, 1);
    sealed.sealed = true;
    assert_refused(sealed, ask(OUTCOME_CLAIMED, STATUS_QUEUED), ERR_SEALED);
}

static void an_outcome_that_was_told_stands_and_the_end_adds_the_seal(void **state)
{
    (void)state;
    struct outcome cancelled = after(stands(STATUS_RUNNING, 1), ask(OUTCOME_TOLD, STATUS_CANCELLED));
    struct outcome_ask end = ask(OUTCOME_ENDED, STATUS_FAILED);
    end.has_exit_code = true;
    end.exit_code = 143;
    struct outcome sealed = after(cancelled, end);
    assert_int_equal(sealed.status, STATUS_CANCELLED);
    assert_true(sealed.sealed);
    assert_true(sealed.has_exit_code);
    assert_int_equal(sealed.exit_code, 143);
    struct outcome again = after(sealed, end); // its runner has not heard of it
    assert_true(outcome_equal(&again, &sealed));
    struct outcome given_up = after(cancelled, ask(OUTCOME_GIVEN_UP, STATUS_QUEUED));
    assert_int_equal(given_up.status, STATUS_CANCELLED);
    assert_true(given_up.sealed);
    struct outcome_ask failed = ask(OUTCOME_TOLD, STATUS_FAILED);
    failed.has_exit_code = true;
    failed.exit_code = 3;
    struct outcome told = after(stands(STATUS_RUNNING, 1), failed);
    assert_int_equal(after(told, end).exit_code, 3);
    failed.exit_code = 4;
    assert_refused(told, failed, ERR_BAD_TRANSITION);
    assert_refused(told, ask(OUTCOME_TOLD, STATUS_COMPLETED), ERR_BAD_TRANSITION);
    assert_refused(told, ask(OUTCOME_SILENT, STATUS_QUEUED), ERR_BAD_TRANSITION);
}

static void after_the_seal_only_the_same_is_fine(void **state)
{
    (void)state;
    struct outcome_ask end = ask(OUTCOME_ENDED, STATUS_COMPLETED);
    end.has_exit_code = true;
    struct outcome sealed = after(stands(STATUS_RUNNING, 1), end), again = after(sealed, end);
    assert_true(sealed.sealed);
    assert_true(outcome_equal(&sealed, &again));
    end.exit_code = 1;
    assert_refused(sealed, end, ERR_SEALED);
    assert_refused(sealed, ask(OUTCOME_TOLD, STATUS_RUNNING), ERR_SEALED);
    assert_refused(sealed, ask(OUTCOME_GIVEN_UP, STATUS_QUEUED), ERR_SEALED);
}

static void a_silent_runner_is_lost_back_and_given_up(void **state)
{
    (void)state;
    struct outcome lost = after(stands(STATUS_PAUSED, 1), ask(OUTCOME_SILENT, STATUS_QUEUED));
    assert_int_equal(lost.status, STATUS_LOST);
    assert_false(lost.sealed);
    assert_int_equal(lost.completed_ms, 0);
    struct outcome back = after(lost, ask(OUTCOME_BACK, STATUS_QUEUED));
    assert_int_equal(back.status, STATUS_RUNNING);
    assert_int_equal(back.epoch, 1);
    assert_refused(stands(STATUS_PAUSED, 1), ask(OUTCOME_BACK, STATUS_QUEUED), ERR_BAD_TRANSITION);
    struct outcome given_up = after(lost, ask(OUTCOME_GIVEN_UP, STATUS_QUEUED));
    assert_int_equal(given_up.status, STATUS_LOST);
    assert_true(given_up.sealed);
    assert_int_equal(given_up.completed_ms, NOW);
}

static void what_was_taken_and_never_begun_waits_again_under_the_same_epoch(void **state)
{
    (void)state;
    static const struct {
        enum execution_status from;
        bool returns;
    } cases[] = {
        {STATUS_RUNNING, true}, {STATUS_LOST, true},       {STATUS_QUEUED, false},
        {STATUS_PAUSED, false}, {STATUS_COMPLETED, false}, {STATUS_SKIPPED, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome now = stands(cases[i].from, 3);
        if (!cases[i].returns) {
            assert_refused(now, ask(OUTCOME_RETURNED, STATUS_RUNNING), ERR_BAD_TRANSITION);
            continue;
        }
        struct outcome next = after(now, ask(OUTCOME_RETURNED, STATUS_RUNNING));
        assert_int_equal(next.status, STATUS_QUEUED);
        assert_int_equal(next.epoch, 3);
        assert_int_equal(next.started_ms, 0);
        assert_false(next.sealed);
        assert_int_equal(after(next, ask(OUTCOME_CLAIMED, STATUS_QUEUED)).epoch, 4);
    }
    assert_refused(stands(STATUS_RUNNING, 1), ask(OUTCOME_TOLD, STATUS_QUEUED), ERR_BAD_TRANSITION);
    assert_refused(stands(STATUS_QUEUED, 3), ask(OUTCOME_SILENT, STATUS_QUEUED), ERR_BAD_TRANSITION);
    assert_refused(stands(STATUS_QUEUED, 3), ask(OUTCOME_GIVEN_UP, STATUS_QUEUED), ERR_BAD_TRANSITION);
}

static void what_waits_has_nobody_whoever_had_it_before(void **state)
{
    (void)state;
    static const enum outcome_cause causes[] = {OUTCOME_CANCELLED, OUTCOME_SKIPPED, OUTCOME_TOLD};
    static const enum execution_status ends[] = {STATUS_CANCELLED, STATUS_SKIPPED, STATUS_FAILED};
    for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
        for (uint64_t epoch = 0; epoch < 2; epoch++) {
            struct outcome next = after(stands(STATUS_QUEUED, epoch), ask(causes[i], ends[i]));
            assert_int_equal(next.status, ends[i]);
            assert_true(next.sealed);
            assert_int_equal(next.sealed_ms, NOW);
            assert_int_equal(next.epoch, epoch ? 2 : 0); // who had it is fenced
        }
    }
}

static void only_what_waits_is_skipped(void **state)
{
    (void)state;
    for (unsigned from = 0; from < STATUS_COUNT; from++)
        if (from != STATUS_QUEUED && from != STATUS_SKIPPED)
            assert_refused(stands((enum execution_status)from, 1), ask(OUTCOME_SKIPPED, STATUS_QUEUED),
                           ERR_BAD_TRANSITION);
}

static void a_job_that_goes_on_has_neither_exit_code_nor_end(void **state)
{
    (void)state;
    struct outcome lost = stands(STATUS_LOST, 1);
    lost.has_exit_code = true;
    lost.exit_code = 9;
    assert_false(after(lost, ask(OUTCOME_BACK, STATUS_QUEUED)).has_exit_code);
    assert_int_equal(after(lost, ask(OUTCOME_GIVEN_UP, STATUS_QUEUED)).exit_code, 9);
}

static void a_job_has_ended_when_its_runner_says_if_that_can_be(void **state)
{
    (void)state;
    static const struct {
        int64_t told, expected;
    } cases[] = {{0, NOW}, {999, NOW}, {1000, 1000}, {4000, 4000}};
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome_ask end = ask(OUTCOME_ENDED, STATUS_COMPLETED);
        end.completed_ms = cases[i].told;
        assert_int_equal(after(stands(STATUS_RUNNING, 1), end).completed_ms, cases[i].expected);
    }
    struct outcome told = stands(STATUS_COMPLETED, 1);
    told.completed_ms = 2000;
    assert_int_equal(after(told, ask(OUTCOME_ENDED, STATUS_COMPLETED)).completed_ms, 2000);
}

static void a_wait_outlasts_the_loss_of_its_runner(void **state)
{
    (void)state;
    struct outcome waits = after(stands(STATUS_RUNNING, 1), ask(OUTCOME_TOLD, STATUS_WAITING));
    assert_true(waits.waits);
    struct outcome lost = after(waits, ask(OUTCOME_SILENT, STATUS_QUEUED));
    assert_int_equal(lost.status, STATUS_LOST);
    assert_true(lost.waits);
    struct outcome back = after(lost, ask(OUTCOME_BACK, STATUS_QUEUED));
    assert_int_equal(back.status, STATUS_WAITING);
    assert_true(back.waits);
    struct outcome answered = after(lost, ask(OUTCOME_ANSWERED, STATUS_QUEUED));
    assert_int_equal(answered.status, STATUS_LOST);
    assert_false(answered.waits);
    assert_false(outcome_equal(&lost, &answered));
    assert_int_equal(after(answered, ask(OUTCOME_BACK, STATUS_QUEUED)).status, STATUS_RUNNING);
    assert_refused(answered, ask(OUTCOME_ANSWERED, STATUS_QUEUED), ERR_BAD_TRANSITION);
}

static void a_wait_ends_with_every_status_but_lost(void **state)
{
    (void)state;
    static const struct {
        enum outcome_cause cause;
        enum execution_status asked, status;
        bool waits;
    } cases[] = {
        {OUTCOME_ANSWERED, STATUS_QUEUED, STATUS_RUNNING, false},
        {OUTCOME_UNANSWERED, STATUS_QUEUED, STATUS_TIMED_OUT, false},
        {OUTCOME_TOLD, STATUS_RUNNING, STATUS_RUNNING, false},
        {OUTCOME_TOLD, STATUS_WAITING, STATUS_WAITING, true},
        {OUTCOME_TOLD, STATUS_FAILED, STATUS_FAILED, false},
        {OUTCOME_ENDED, STATUS_COMPLETED, STATUS_COMPLETED, false},
        {OUTCOME_CLAIMED, STATUS_QUEUED, STATUS_RUNNING, false},
        {OUTCOME_SILENT, STATUS_QUEUED, STATUS_LOST, true},
        {OUTCOME_GIVEN_UP, STATUS_QUEUED, STATUS_LOST, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome next = after(stands(STATUS_WAITING, 1), ask(cases[i].cause, cases[i].asked));
        assert_int_equal(next.status, cases[i].status);
        assert_int_equal(next.waits, cases[i].waits);
    }
}

static void what_does_not_wait_is_neither_answered_nor_left_unanswered(void **state)
{
    (void)state;
    static const enum outcome_cause causes[] = {OUTCOME_ANSWERED, OUTCOME_UNANSWERED};
    for (size_t i = 0; i < ARRAY_LEN(causes); i++) {
        for (unsigned from = 0; from < STATUS_COUNT; from++)
            if (from != STATUS_WAITING)
                assert_refused(stands((enum execution_status)from, 1), ask(causes[i], STATUS_QUEUED),
                               ERR_BAD_TRANSITION);
        struct outcome given_up = stands(STATUS_LOST, 1);
        given_up.sealed = given_up.waits = true;
        assert_refused(given_up, ask(causes[i], STATUS_QUEUED), ERR_SEALED);
    }
}

static void what_nobody_answers_is_sealed_unless_its_runner_is_to_end_it(void **state)
{
    (void)state;
    for (uint64_t epoch = 0; epoch < 2; epoch++) {
        struct outcome next = after(stands(STATUS_WAITING, epoch), ask(OUTCOME_UNANSWERED, STATUS_QUEUED));
        assert_int_equal(next.sealed, epoch == 0);
        assert_int_equal(next.completed_ms, NOW);
        assert_int_equal(next.epoch, epoch);
    }
    struct outcome lost = stands(STATUS_LOST, 1);
    lost.waits = true;
    assert_int_equal(after(lost, ask(OUTCOME_UNANSWERED, STATUS_QUEUED)).status, STATUS_TIMED_OUT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_never_had_a_runner_is_sealed_by_being_told_how_it_ended),
        cmocka_unit_test(a_cancel_ends_what_nobody_runs_and_leaves_the_rest_to_its_runner),
        cmocka_unit_test(the_end_that_is_told_of_a_late_log_leaves_it_open_until_it_is_quiet),
        cmocka_unit_test(a_quiet_log_that_nobody_ended_is_lost),
        cmocka_unit_test(the_runner_of_a_lost_one_that_was_cancelled_has_an_old_epoch),
        cmocka_unit_test(a_claim_is_a_new_epoch_unless_all_is_over),
        cmocka_unit_test(an_outcome_that_was_told_stands_and_the_end_adds_the_seal),
        cmocka_unit_test(after_the_seal_only_the_same_is_fine),
        cmocka_unit_test(a_silent_runner_is_lost_back_and_given_up),
        cmocka_unit_test(what_was_taken_and_never_begun_waits_again_under_the_same_epoch),
        cmocka_unit_test(what_waits_has_nobody_whoever_had_it_before),
        cmocka_unit_test(only_what_waits_is_skipped),
        cmocka_unit_test(a_job_that_goes_on_has_neither_exit_code_nor_end),
        cmocka_unit_test(a_job_has_ended_when_its_runner_says_if_that_can_be),
        cmocka_unit_test(a_wait_outlasts_the_loss_of_its_runner),
        cmocka_unit_test(a_wait_ends_with_every_status_but_lost),
        cmocka_unit_test(what_does_not_wait_is_neither_answered_nor_left_unanswered),
        cmocka_unit_test(what_nobody_answers_is_sealed_unless_its_runner_is_to_end_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
