#include "cli/log_state.h"
#include "util/testing.h"

struct heard {
    enum execution_status status;
    enum runner_link runner;
    const char *told; // a word of it; NULL: nothing
};

static void assert_told(const struct heard *heard, size_t count)
{
    struct log_state state = {0};
    for (size_t i = 0; i < count; i++) {
        const char *told = log_state_take(&state, heard[i].status, heard[i].runner);
        if (heard[i].told)
            assert_true(told && strstr(told, heard[i].told));
        else
            assert_null(told);
    }
}
#define ASSERT_TOLD(...)                            \
    do {                                            \
        const struct heard heard[] = {__VA_ARGS__}; \
        assert_told(heard, ARRAY_LEN(heard));       \
    } while (0)

static void a_runner_that_has_not_come_yet_is_not_gone(void **state)
{
    (void)state;
    ASSERT_TOLD({STATUS_QUEUED, RUNNER_AWAY, NULL}, {STATUS_RUNNING, RUNNER_AWAY, NULL},
                {STATUS_RUNNING, RUNNER_CONNECTED, NULL}, {STATUS_COMPLETED, RUNNER_AWAY, NULL});
    ASSERT_TOLD({STATUS_QUEUED, RUNNER_UNKNOWN, NULL}, {STATUS_RUNNING, RUNNER_UNKNOWN, NULL},
                {STATUS_RUNNING, RUNNER_AWAY, NULL}, {STATUS_RUNNING, RUNNER_CONNECTED, NULL},
                {STATUS_COMPLETED, RUNNER_AWAY, NULL});
}

static void one_that_was_there_is_gone_and_back(void **state)
{
    (void)state;
    ASSERT_TOLD({STATUS_RUNNING, RUNNER_CONNECTED, NULL}, {STATUS_RUNNING, RUNNER_AWAY, "is gone"},
                {STATUS_RUNNING, RUNNER_AWAY, NULL}, {STATUS_RUNNING, RUNNER_CONNECTED, "is back"},
                {STATUS_RUNNING, RUNNER_AWAY, "is gone"}, {STATUS_LOST, RUNNER_AWAY, "is lost"},
                {STATUS_LOST, RUNNER_AWAY, NULL}, {STATUS_RUNNING, RUNNER_CONNECTED, "is back"});
}

static void one_that_goes_to_another_server_is_there(void **state)
{
    (void)state;
    ASSERT_TOLD({STATUS_RUNNING, RUNNER_CONNECTED, NULL}, {STATUS_RUNNING, RUNNER_UNKNOWN, NULL},
                {STATUS_RUNNING, RUNNER_AWAY, "is gone"}, {STATUS_RUNNING, RUNNER_UNKNOWN, "is back"},
                {STATUS_RUNNING, RUNNER_AWAY, "is gone"});
}

static void one_that_is_lost_is_not_back_as_nobody_has_it(void **state)
{
    (void)state;
    ASSERT_TOLD({STATUS_RUNNING, RUNNER_UNKNOWN, NULL}, {STATUS_LOST, RUNNER_UNKNOWN, "is lost"},
                {STATUS_LOST, RUNNER_UNKNOWN, NULL}, {STATUS_RUNNING, RUNNER_UNKNOWN, "is back"});
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_runner_that_has_not_come_yet_is_not_gone),
        cmocka_unit_test(one_that_was_there_is_gone_and_back),
        cmocka_unit_test(one_that_goes_to_another_server_is_there),
        cmocka_unit_test(one_that_is_lost_is_not_back_as_nobody_has_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
