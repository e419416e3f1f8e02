#include "model/retry.h"
#include "util/testing.h"

static struct retry_rule rule_of(unsigned retries, int64_t delay_ms, const char *words)
{
    struct retry_rule rule = {.retries = retries, .delay_ms = delay_ms};
    assert_true(retry_rule_parse(str_of(words), &rule));
    return rule;
}

static struct outcome ended(enum execution_status status, int exit_code)
{
    return (struct outcome){.status = status, .has_exit_code = exit_code >= 0, .exit_code = exit_code};
}

static struct retry_verdict decide(const struct retry_rule *rule, unsigned number, struct outcome outcome)
{
    return retry_decide(rule, &(struct retry_attempt){.number = number, .outcome = &outcome});
}

static void the_rule_says_which_ends_are_tried_again(void **state)
{
    (void)state;
    static const struct {
        const char *words;
        enum execution_status status;
        int exit_code; // -1: none
        bool again;
    } cases[] = {
        {"", STATUS_FAILED, 1, true},
        {"", STATUS_FAILED, -1, true},
        {"", STATUS_TIMED_OUT, -1, true},
        {"", STATUS_LOST, -1, true},
        {"", STATUS_COMPLETED, 0, false},
        {"", STATUS_CANCELLED, 143, false},
        {"", STATUS_SKIPPED, -1, false},
        {"", STATUS_RUNNING, -1, false},
        {"failed", STATUS_FAILED, 200, true},
        {"failed", STATUS_TIMED_OUT, -1, false},
        {"failed", STATUS_LOST, -1, false},
        {"timed_out", STATUS_TIMED_OUT, 124, true},
        {"timed_out", STATUS_FAILED, 124, false},
        {"lost", STATUS_LOST, -1, true},
        {"lost", STATUS_FAILED, 1, false},
        {"exit:3", STATUS_FAILED, 3, true},
        {"exit:3", STATUS_FAILED, 4, false},
        {"exit:3", STATUS_FAILED, -1, false},
        {"exit:3", STATUS_CANCELLED, 3, false},
        {"exit:3-5", STATUS_FAILED, 5, true},
        {"exit:3-5", STATUS_FAILED, 6, false},
        {"exit:255", STATUS_FAILED, 255, true},
        {"signal:KILL", STATUS_FAILED, 137, true},
        {"signal:SIGTERM", STATUS_FAILED, 143, true},
        {"signal:9", STATUS_FAILED, 143, false},
        {"signal:63", STATUS_FAILED, 191, true},
        {"exit:1,lost", STATUS_LOST, -1, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct retry_rule rule = rule_of(1, 0, cases[i].words);
        bool again = decide(&rule, 1, ended(cases[i].status, cases[i].exit_code)).again;
        if (again != cases[i].again)
            fail_msg("\"%s\", %s, %d: %d", cases[i].words, status_word(cases[i].status), cases[i].exit_code, again);
        assert_false(decide(&rule, 2, ended(cases[i].status, cases[i].exit_code)).again); // the last attempt
    }
}

static void what_is_not_wanted_any_more_is_not_tried_again(void **state)
{
    (void)state;
    struct retry_rule rule = rule_of(3, 0, "");
    struct outcome outcome = ended(STATUS_FAILED, 143);
    assert_false(retry_decide(&rule, &(struct retry_attempt){1, true, &outcome}).again);
    assert_true(retry_decide(&rule, &(struct retry_attempt){1, false, &outcome}).again);
}

static void the_delay_doubles_up_to_a_day(void **state)
{
    (void)state;
    static const struct {
        int64_t delay_ms;
        unsigned attempt;
        int64_t expected;
    } cases[] = {
        {1000, 1, 1000},
        {1000, 2, 2000},
        {1000, 5, 16000},
        {1000, 100, RETRY_DELAY_MAX_MS},
        {0, 50, 0},
        {1, 27, 1 << 26},
        {RETRY_DELAY_MAX_MS, 1, RETRY_DELAY_MAX_MS},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct retry_rule rule = rule_of(RETRIES_MAX, cases[i].delay_ms, "");
        assert_int_equal(decide(&rule, cases[i].attempt, ended(STATUS_FAILED, 1)).delay_ms, cases[i].expected);
    }
}

static void after_a_loss_the_silent_side_has_time_to_kill_its_job(void **state)
{
    (void)state;
    struct retry_rule rule = rule_of(9, 1000, "");
    assert_int_equal(decide(&rule, 1, ended(STATUS_LOST, -1)).delay_ms, RETRY_LOST_MARGIN_MS);
    assert_int_equal(decide(&rule, 6, ended(STATUS_LOST, -1)).delay_ms, 32000);
    assert_true(retry_after_lost(&rule, 9));
    assert_false(retry_after_lost(&rule, 10));
    rule = rule_of(9, 0, "failed");
    assert_false(retry_after_lost(&rule, 1));
}

static void words_that_are_none_are_refused_and_change_nothing(void **state)
{
    (void)state;
    static const char *const words[] = {"",           "fail",    "exit",     "exit:",     "exit:0",
                                        "exit:256",   "exit:x",  "exit:3-",  "exit:5-3",  "exit:-3",
                                        "exit:3-5-7", "signal:", "signal:0", "signal:64", "signal:FOO",
                                        "signal",     "LOST",    "exit:1 ",  "failed,",   "exit:3-256"};
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        struct retry_rule rule = {0}, none = {0};
        assert_false(retry_rule_add(&rule, str_of(words[i])));
        assert_memory_equal(&rule, &none, sizeof(rule));
    }
}

static void a_rule_is_written_and_read_back(void **state)
{
    (void)state;
    static const struct {
        const char *words, *written;
    } cases[] = {
        {"", ""},
        {"lost,failed,timed_out", "failed,timed_out,lost"},
        {"exit:5,exit:3-4,exit:255,exit:7", "exit:3-5,exit:7,exit:255"},
        {"signal:kill,signal:SIGTERM,exit:1", "exit:1,signal:9,signal:15"},
        {"exit:1-255", "exit:1-255"},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        CLEANUP(buf_release) struct buf out = {0};
        struct retry_rule rule = rule_of(0, 0, cases[i].words), again = {0};
        buf_append_text(&out, "on ");
        retry_rule_append(&rule, &out);
        assert_string_equal(buf_cstr(&out) + 3, cases[i].written);
        assert_true(retry_rule_parse(str_of(buf_cstr(&out) + 3), &again));
        assert_memory_equal(&rule, &again, sizeof(rule));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rule_says_which_ends_are_tried_again),
        cmocka_unit_test(what_is_not_wanted_any_more_is_not_tried_again),
        cmocka_unit_test(the_delay_doubles_up_to_a_day),
        cmocka_unit_test(after_a_loss_the_silent_side_has_time_to_kill_its_job),
        cmocka_unit_test(words_that_are_none_are_refused_and_change_nothing),
        cmocka_unit_test(a_rule_is_written_and_read_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
