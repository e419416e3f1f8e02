#include "model/engine_state.h"
#include "model/run.h"
#include "util/testing.h"

// What each engine documents, in its own spelling.
static const struct known {
    const char *word;
    enum execution_status status;
    const char *event; // empty: steps have no such state
} known[] = {
    // Temporal
    {"WORKFLOW_EXECUTION_STATUS_RUNNING", STATUS_RUNNING, "node_started"},
    {"RUNNING", STATUS_RUNNING, "node_started"},
    {"COMPLETED", STATUS_COMPLETED, "node_completed"},
    {"FAILED", STATUS_FAILED, "node_failed"},
    {"CANCELED", STATUS_CANCELLED, "node_cancelled"},
    {"TERMINATED", STATUS_CANCELLED, "node_cancelled"},
    {"CONTINUED_AS_NEW", STATUS_COMPLETED, "node_completed"},
    {"TIMED_OUT", STATUS_TIMED_OUT, "node_failed"},
    {"TimedOut", STATUS_TIMED_OUT, "node_failed"},
    {"ContinuedAsNew", STATUS_COMPLETED, "node_completed"},
    // Airflow
    {"queued", STATUS_QUEUED, "node_queued"},
    {"success", STATUS_COMPLETED, "node_completed"},
    {"up_for_retry", STATUS_QUEUED, "node_queued"},
    {"up_for_reschedule", STATUS_QUEUED, "node_queued"},
    {"upstream_failed", STATUS_SKIPPED, "node_skipped"},
    {"deferred", STATUS_RUNNING, "node_progress"},
    {"restarting", STATUS_RUNNING, "node_started"},
    {"removed", STATUS_SKIPPED, "node_skipped"},
    // Argo
    {"Pending", STATUS_QUEUED, "node_queued"},
    {"Succeeded", STATUS_COMPLETED, "node_completed"},
    {"Error", STATUS_FAILED, "node_failed"},
    {"Omitted", STATUS_SKIPPED, "node_skipped"},
    // Prefect
    {"Scheduled", STATUS_QUEUED, "node_queued"},
    {"AwaitingRetry", STATUS_QUEUED, "node_queued"},
    {"Crashed", STATUS_FAILED, "node_failed"},
    {"Cancelling", STATUS_RUNNING, "node_progress"},
    {"Cancelled", STATUS_CANCELLED, "node_cancelled"},
    {"Paused", STATUS_PAUSED, "node_progress"},
    {"Cached", STATUS_COMPLETED, "node_completed"},
    // Dagster
    {"NOT_STARTED", STATUS_QUEUED, "node_queued"},
    {"MANAGED", STATUS_RUNNING, ""},
    {"STARTING", STATUS_RUNNING, "node_started"},
    {"SUCCESS", STATUS_COMPLETED, "node_completed"},
    {"FAILURE", STATUS_FAILED, "node_failed"},
    {"CANCELING", STATUS_RUNNING, "node_progress"},
};

static void the_words_of_engines_are_states_of_ours(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        enum execution_status status = STATUS_COUNT;
        assert_true(engine_state_status(str_of(known[i].word), &status));
        assert_int_equal(status, known[i].status);
        struct str event = engine_state_event(str_of(known[i].word));
        assert_true(str_eq(event, str_of(known[i].event)));
        assert_true(event.len == 0 || run_event_place(event) < RUN_EVENT_TYPES);
    }
}

static void our_words_in_all_their_shapes_are_themselves(void **state)
{
    (void)state;
    for (enum execution_status status = 0; status < STATUS_COUNT; status++) {
        enum execution_status found = STATUS_COUNT;
        assert_true(engine_state_status(str_of(status_word(status)), &found));
        assert_int_equal(found, status);
        assert_true(engine_state_is_own(str_of(status_word(status))));
        assert_true(engine_state_status(str_of(status_log_api(status)), &found));
        assert_string_equal(status_log_api(found), status_log_api(status));
        assert_true(engine_state_status(str_of(status_runs_api(status)), &found));
        assert_string_equal(status_runs_api(found), status_runs_api(status));
    }
    assert_false(engine_state_is_own(STR("TERMINATED")));
    assert_false(engine_state_is_own(STR("CANCELED")));
    assert_false(engine_state_is_own(STR("STALE")));
    assert_true(engine_state_is_own(STR("TimedOut")));
}

static void other_words_are_none(void **state)
{
    (void)state;
    char text[ENGINE_STATE_MAX + 20];
    static const char *const words[] = {"", "_", "run", "runningg", "WORKFLOW_EXECUTION_STATUS_", "complete\xff"};
    enum execution_status status;
    for (size_t i = 0; i < ARRAY_LEN(words); i++) {
        assert_false(engine_state_status(str_of(words[i]), &status));
        assert_int_equal(engine_state_event(str_of(words[i])).len, 0);
    }
    memset(text, '_', sizeof(text));
    memcpy(text, "running", 7);
    assert_false(engine_state_status(str_n(text, sizeof(text)), &status));
    assert_true(engine_state_status(str_n(text, ENGINE_STATE_MAX), &status));
    assert_non_null(strstr(ENGINE_STATE_WORDS " ", " continued_as_new "));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_words_of_engines_are_states_of_ours),
        cmocka_unit_test(our_words_in_all_their_shapes_are_themselves),
        cmocka_unit_test(other_words_are_none),
    };
    cmocka_set_test_filter(getenv("TEST_FILTER")); // for tests/mutants
    return cmocka_run_group_tests(tests, NULL, NULL);
}
