#include "model/job.h"
#include "util/testing.h"

static struct outcome as(enum execution_status status, bool sealed)
{
    return (struct outcome){.status = status, .sealed = sealed};
}

static void a_change_of_the_outcome_moves_the_job(void **state)
{
    (void)state;
    static const struct {
        enum job_state now;
        enum execution_status from, to;
        bool was_sealed, sealed;
        enum job_state next;
        bool ends;
    } cases[] = {
        {JOB_READY, STATUS_QUEUED, STATUS_RUNNING, false, false, JOB_CLAIMED, false},
        {JOB_CLAIMED, STATUS_RUNNING, STATUS_PAUSED, false, false, JOB_CLAIMED, false},
        {JOB_CLAIMED, STATUS_RUNNING, STATUS_QUEUED, false, false, JOB_READY, false},
        {JOB_LOST, STATUS_LOST, STATUS_QUEUED, false, false, JOB_HELD, false}, // others may have its place
        {JOB_OVER, STATUS_LOST, STATUS_QUEUED, false, false, JOB_HELD, false},
        {JOB_HELD, STATUS_QUEUED, STATUS_QUEUED, false, false, JOB_HELD, false},
        {JOB_HELD, STATUS_QUEUED, STATUS_CANCELLED, false, true, JOB_OVER, true},
        {JOB_DELAYED, STATUS_QUEUED, STATUS_SKIPPED, false, true, JOB_OVER, true},
        {JOB_CLAIMED, STATUS_RUNNING, STATUS_COMPLETED, false, true, JOB_OVER, true},
        {JOB_CLAIMED, STATUS_RUNNING, STATUS_FAILED, false, false, JOB_OVER, true},
        // The seal adds nothing to an end that was told.
        {JOB_ENDED, STATUS_FAILED, STATUS_FAILED, false, true, JOB_ENDED, false},
        {JOB_OVER, STATUS_FAILED, STATUS_FAILED, false, true, JOB_OVER, false},
        {JOB_CLAIMED, STATUS_RUNNING, STATUS_LOST, false, false, JOB_OVER, true},
        {JOB_LOST, STATUS_LOST, STATUS_RUNNING, false, false, JOB_CLAIMED, false},
        {JOB_LOST, STATUS_LOST, STATUS_COMPLETED, false, true, JOB_OVER, true},
        {JOB_LOST, STATUS_LOST, STATUS_LOST, false, true, JOB_OVER, true},
        {JOB_ENDED, STATUS_LOST, STATUS_LOST, true, true, JOB_ENDED, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct outcome before = as(cases[i].from, cases[i].was_sealed), after = as(cases[i].to, cases[i].sealed);
        struct job_step step = job_step(cases[i].now, &before, &after);
        if (step.state != cases[i].next || step.ends != cases[i].ends)
            fail_msg("case %zu: %s, ends: %d", i, job_state_word(step.state), step.ends);
    }
}

static void only_what_is_ready_or_claimed_takes_a_place(void **state)
{
    (void)state;
    static const char *const words[] = {"held", "delayed", "ready", "claimed", "lost", "over", "ended"};
    for (unsigned i = 0; i < JOB_STATES; i++) {
        assert_string_equal(job_state_word((enum job_state)i), words[i]);
        assert_int_equal(job_takes_place((enum job_state)i), i == JOB_READY || i == JOB_CLAIMED);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_change_of_the_outcome_moves_the_job),
        cmocka_unit_test(only_what_is_ready_or_claimed_takes_a_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
