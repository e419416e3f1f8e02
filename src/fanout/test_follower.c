#include "fanout/follower.h"
#include "util/testing.h"

static struct follower websocket(uint64_t cursor)
{
    struct follower follower;
    follower_init(&follower, cursor, true, 0);
    follower.wants_state = follower.wants_position = true;
    follower.position_due_ms = FOLLOWER_POSITION_MS;
    return follower;
}

static struct follower_view view_of(uint64_t next)
{
    return (struct follower_view){.next = next, .status = STATUS_RUNNING, .runner_connected = true};
}

static void joining_a_quiet_run_tells_state_and_position_at_once(void **state)
{
    (void)state;
    struct follower follower = websocket(3);
    struct follower_view view = view_of(3);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_POSITION);
    assert_int_equal(follower.position, 2);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_WAIT);
}

static void position_before_the_first_record_is_minus_one(void **state)
{
    (void)state;
    struct follower follower = websocket(0);
    struct follower_view view = view_of(0);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_POSITION);
    assert_int_equal(follower.position, -1);
}

static void cursor_past_the_end_waits_for_its_record_and_is_told_where_the_end_is(void **state)
{
    (void)state;
    struct follower follower = websocket(100);
    struct follower_view view = view_of(10);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_POSITION);
    assert_int_equal(follower.position, 9);
    view.next = 100;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_WAIT);
    view.next = 101;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    assert_int_equal(follower.cursor, 100);
    assert_int_equal(follower.limit, 101);
}

static void complete_comes_only_after_the_last_record_and_once(void **state)
{
    (void)state;
    struct follower follower = websocket(0);
    struct follower_view view = view_of(5);
    view.sealed = true;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    follower_advance(&follower, 4, true);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    follower_advance(&follower, 5, true);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_COMPLETE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_END);
}

static void terminal_status_without_the_seal_is_not_the_end(void **state)
{
    (void)state;
    struct follower follower = websocket(5);
    struct follower_view view = view_of(5);
    view.status = STATUS_COMPLETED;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_POSITION);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_WAIT);
    view.next = 6;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
}

static void filtered_follower_hears_its_position_when_due_and_before_complete(void **state)
{
    (void)state;
    struct follower follower = websocket(0);
    struct follower_view view = view_of(10);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    follower_advance(&follower, 10, false);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_POSITION); // it was told nothing so far
    view.next = 20;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    follower_advance(&follower, 20, false);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_WAIT);
    view.now_ms = follower.position_due_ms;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_POSITION);
    assert_int_equal(follower.position, 19);
    view.next = 30;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    follower_advance(&follower, 30, false);
    view.sealed = true;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_POSITION);
    assert_int_equal(follower.position, 29);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_COMPLETE);
}

static void what_retention_took_is_told_as_a_gap(void **state)
{
    (void)state;
    struct follower follower = websocket(2);
    struct follower_view view = view_of(10);
    view.first = 6;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_GAP);
    assert_int_equal(follower.gap_from, 2);
    assert_int_equal(follower.gap_to, 5);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    assert_int_equal(follower.cursor, 6);
}

static void what_a_time_or_a_tail_would_have_reached_is_told_as_a_gap(void **state)
{
    (void)state;
    struct follower follower = websocket(8);
    struct follower_view view = view_of(10);
    follower.wants_front = true;
    view.first = 6;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_GAP);
    assert_int_equal(follower.gap_from, 0);
    assert_int_equal(follower.gap_to, 5);
    assert_string_equal(follower.gap_reason, "retention");
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    assert_int_equal(follower.cursor, 8); // where it was to begin
    follower_advance(&follower, 10, true);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_WAIT); // it is told once
    follower = websocket(0);
    view.first = 0; // nothing has gone
    follower.wants_front = true;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
}

static void cursor_from_before_a_restore_is_told_what_was_lost(void **state)
{
    (void)state;
    struct follower follower = websocket(50);
    struct follower_view view = view_of(40);
    view.restored_from = UINT64_MAX; // it was sealed before the backup was made, and its reader is mistaken
    follower.restored = true;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_GAP);
    assert_int_equal(follower.gap_from, 40);
    assert_int_equal(follower.gap_to, 49);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    view.next = 41;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    assert_int_equal(follower.cursor, 40);
}

static void cursor_from_before_a_restore_is_told_what_is_void_though_the_log_has_grown_past_it(void **state)
{
    (void)state;
    struct follower follower = websocket(50);
    struct follower_view view = view_of(60);
    view.restored_from = 45;
    follower.restored = true;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_GAP);
    assert_int_equal(follower.gap_from, 45);
    assert_int_equal(follower.gap_to, 49);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    assert_int_equal(follower.cursor, 45);
}

static void cursor_from_before_a_restore_that_took_nothing_of_it_goes_on(void **state)
{
    (void)state;
    struct follower follower = websocket(40);
    struct follower_view view = view_of(60);
    view.restored_from = 45;
    follower.restored = true;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_STATE);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    assert_int_equal(follower.cursor, 40);
}

static void reader_that_does_not_follow_ends_where_the_log_ended_when_it_came(void **state)
{
    (void)state;
    struct follower follower;
    struct follower_view view = view_of(10);
    follower_init(&follower, 0, false, 10);
    view.next = 15;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    assert_int_equal(follower.limit, 10);
    follower_advance(&follower, 10, true);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_END);
}

static void reader_that_has_ended_may_go_on_and_follow(void **state)
{
    (void)state;
    struct follower follower;
    struct follower_view view = view_of(2);
    follower_init(&follower, 0, false, 2);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    follower_advance(&follower, 2, true);
    view.next = 3;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_END);
    follower_go_on(&follower);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_READ);
    assert_int_equal(follower.limit, 3);
    follower_advance(&follower, 3, true);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_WAIT);
    view.sealed = true;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_COMPLETE);
}

static void purge_ends_it(void **state)
{
    (void)state;
    struct follower follower = websocket(0);
    struct follower_view view = view_of(10);
    view.purged = true;
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_PURGED);
    assert_int_equal(follower_next(&follower, &view), FOLLOWER_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joining_a_quiet_run_tells_state_and_position_at_once),
        cmocka_unit_test(position_before_the_first_record_is_minus_one),
        cmocka_unit_test(cursor_past_the_end_waits_for_its_record_and_is_told_where_the_end_is),
        cmocka_unit_test(complete_comes_only_after_the_last_record_and_once),
        cmocka_unit_test(terminal_status_without_the_seal_is_not_the_end),
        cmocka_unit_test(filtered_follower_hears_its_position_when_due_and_before_complete),
        cmocka_unit_test(what_retention_took_is_told_as_a_gap),
        cmocka_unit_test(what_a_time_or_a_tail_would_have_reached_is_told_as_a_gap),
        cmocka_unit_test(cursor_from_before_a_restore_is_told_what_is_void_though_the_log_has_grown_past_it),
        cmocka_unit_test(cursor_from_before_a_restore_that_took_nothing_of_it_goes_on),
        cmocka_unit_test(cursor_from_before_a_restore_is_told_what_was_lost),
        cmocka_unit_test(reader_that_does_not_follow_ends_where_the_log_ended_when_it_came),
        cmocka_unit_test(reader_that_has_ended_may_go_on_and_follow),
        cmocka_unit_test(purge_ends_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
