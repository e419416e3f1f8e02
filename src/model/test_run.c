#include "model/run.h"
#include "util/testing.h"

static const struct step {
    const char *event_type;
    enum node_state state;
    bool attempt;
} once[] = {
    {"node_queued", NODE_PENDING, false},
    {"node_started", NODE_RUNNING, true},
    {"node_progress", NODE_RUNNING, false},
    {"node_awaiting_input", NODE_AWAITING_INPUT, false},
    {"node_started", NODE_RUNNING, false},
    {"node_queued", NODE_RUNNING, false},
    {"", NODE_RUNNING, false},
    {"node_failed", NODE_FAILED, false},
    {"node_failed", NODE_FAILED, false},
    {"step_output", NODE_FAILED, false},
    {"node_queued", NODE_PENDING, false},
    {"node_started", NODE_RUNNING, true},
    {"node_completed", NODE_COMPLETED, false},
    {"node_progress", NODE_COMPLETED, false},
    {"step_started", NODE_RUNNING, true},
    {"step_started", NODE_RUNNING, false},
    {"step_completed", NODE_COMPLETED, false},
    {"step_error", NODE_FAILED, true},
    {"node_completed", NODE_COMPLETED, true},
    {"node_skipped", NODE_SKIPPED, false},
    {"node_cancelled", NODE_CANCELLED, false},
};

static void events_lead_from_state_to_state(void **state)
{
    (void)state;
    enum node_state node = NODE_PENDING;
    for (size_t i = 0; i < ARRAY_LEN(once); i++) {
        bool attempt;
        node = node_state_after(node, str_of(once[i].event_type), &attempt);
        assert_int_equal(node, once[i].state);
        assert_int_equal(attempt, once[i].attempt);
    }
}

static void what_was_not_seen_to_begin_was_tried_once(void **state)
{
    (void)state;
    static const struct step first[] = {
        {"", NODE_RUNNING, true},
        {"node_progress", NODE_RUNNING, true},
        {"node_awaiting_input", NODE_AWAITING_INPUT, true},
        {"node_completed", NODE_COMPLETED, true},
        {"node_failed", NODE_FAILED, true},
        {"node_skipped", NODE_SKIPPED, false},
        {"data_processing", NODE_RUNNING, true},
        {"Node_completed", NODE_RUNNING, true},
    };
    for (size_t i = 0; i < ARRAY_LEN(first); i++) {
        bool attempt;
        assert_int_equal(node_state_after(NODE_PENDING, str_of(first[i].event_type), &attempt), first[i].state);
        assert_int_equal(attempt, first[i].attempt);
    }
}

static void a_node_under_way_ends_with_its_run(void **state)
{
    (void)state;
    assert_int_equal(node_state_shown(NODE_RUNNING, STATUS_RUNNING, false), NODE_RUNNING);
    assert_int_equal(node_state_shown(NODE_RUNNING, STATUS_LOST, false), NODE_RUNNING);
    assert_int_equal(node_state_shown(NODE_RUNNING, STATUS_LOST, true), NODE_FAILED);
    assert_int_equal(node_state_shown(NODE_RUNNING, STATUS_COMPLETED, false), NODE_COMPLETED);
    assert_int_equal(node_state_shown(NODE_AWAITING_INPUT, STATUS_CANCELLED, true), NODE_CANCELLED);
    assert_int_equal(node_state_shown(NODE_RUNNING, STATUS_TIMED_OUT, true), NODE_FAILED);
    assert_int_equal(node_state_shown(NODE_RUNNING, STATUS_SKIPPED, true), NODE_SKIPPED);
    assert_int_equal(node_state_shown(NODE_PENDING, STATUS_FAILED, true), NODE_PENDING);
    assert_int_equal(node_state_shown(NODE_FAILED, STATUS_COMPLETED, true), NODE_FAILED);
}

static void assert_progress(const struct node_progress *progress, uint64_t attempts, int64_t queued, int64_t started,
                            int64_t ended)
{
    assert_int_equal(progress->attempts, attempts);
    assert_int_equal(progress->times.queued_ms, queued);
    assert_int_equal(progress->times.started_ms, started);
    assert_int_equal(progress->times.ended_ms, ended);
}

static void times_are_those_of_the_last_attempt(void **state)
{
    (void)state;
    struct node_progress node = {0};
    node_progress_apply(&node, STR("node_queued"), 10);
    assert_progress(&node, 0, 10, 0, 0);
    node_progress_apply(&node, STR("node_queued"), 11);
    node_progress_apply(&node, STR("node_started"), 15);
    node_progress_apply(&node, STR("node_progress"), 16);
    assert_progress(&node, 1, 10, 15, 0);
    node_progress_apply(&node, STR("node_failed"), 20);
    node_progress_apply(&node, STR("node_failed"), 21);
    assert_progress(&node, 1, 10, 15, 20);
    node_progress_apply(&node, STR("node_started"), 30);
    assert_progress(&node, 2, 0, 30, 0);
    node_progress_apply(&node, STR("node_completed"), 40);
    assert_progress(&node, 2, 0, 30, 40);
    assert_int_equal(node.state, NODE_COMPLETED);
    node_progress_apply(&node, STR("node_queued"), 50);
    assert_progress(&node, 2, 50, 30, 40);
    struct node_progress skipped = {0};
    node_progress_apply(&skipped, STR("node_skipped"), 5);
    assert_progress(&skipped, 0, 0, 0, 5);
}

static void types_of_traces_are_known_in_each_spelling(void **state)
{
    (void)state;
    static const char *const spellings[][4] = {
        {"node_started", "STARTED", "NODE_STARTED", "Started"},
        {"node_progress", "PROGRESS", "node_progress", "NODE_PROGRESS"},
        {"node_awaiting_input", "AWAITING_INPUT", "NODE_AWAITING_INPUT", "awaiting_input"},
        {"node_completed", "COMPLETED", "NODE_COMPLETED", "node_completed"},
        {"node_failed", "FAILED", "NODE_FAILED", "failed"},
        {"node_skipped", "SKIPPED", "NODE_SKIPPED", "skipped"},
    };
    for (size_t i = 0; i < ARRAY_LEN(spellings); i++) {
        for (size_t j = 0; j < ARRAY_LEN(spellings[i]); j++)
            assert_str(run_event_type(str_of(spellings[i][j])), spellings[i][0]);
        assert_string_equal(run_trace_type(str_of(spellings[i][0])), spellings[i][1]);
    }
    assert_int_equal(run_event_type(STR("DONE")).len, 0);
    assert_int_equal(run_event_type(STR("node_")).len, 0);
    assert_int_equal(run_event_type(STR("")).len, 0);
    assert_string_equal(run_trace_type(STR("step_error")), "FAILED");
    assert_null(run_trace_type(STR("step_output")));
    assert_null(run_trace_type(STR("node_queued")));
}

static void each_state_has_its_words(void **state)
{
    (void)state;
    assert_string_equal(node_state_word(NODE_AWAITING_INPUT), "awaiting_input");
    assert_string_equal(node_state_run_word(NODE_CANCELLED), "CANCELLED");
    for (enum node_state node = NODE_PENDING; node < NODE_STATE_COUNT; node++) {
        assert_true(str_eq_nocase(str_of(node_state_word(node)), str_of(node_state_run_word(node))));
        assert_int_equal(node_state_over(node),
                         node != NODE_PENDING && node != NODE_RUNNING && node != NODE_AWAITING_INPUT);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_lead_from_state_to_state),
        cmocka_unit_test(what_was_not_seen_to_begin_was_tried_once),
        cmocka_unit_test(a_node_under_way_ends_with_its_run),
        cmocka_unit_test(times_are_those_of_the_last_attempt),
        cmocka_unit_test(types_of_traces_are_known_in_each_spelling),
        cmocka_unit_test(each_state_has_its_words),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
