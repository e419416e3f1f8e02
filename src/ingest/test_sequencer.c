#include "ingest/sequencer.h"
#include "util/testing.h"

static void consecutive_records_are_taken_and_acknowledged_once_durable(void **state)
{
    (void)state;
    struct sequencer sequencer;
    uint64_t next;
    sequencer_init(&sequencer, 5);
    assert_int_equal(sequencer_offer(&sequencer, 5, 10), 0);
    assert_false(sequencer_take_ack(&sequencer, &next));
    sequencer_committed(&sequencer, 15);
    assert_true(sequencer_take_ack(&sequencer, &next));
    assert_int_equal(next, 15);
    assert_false(sequencer_take_ack(&sequencer, &next));
}

static void missing_records_are_a_gap_and_nothing_is_taken(void **state)
{
    (void)state;
    struct sequencer sequencer;
    sequencer_init(&sequencer, 5);
    assert_int_equal(sequencer_offer(&sequencer, 6, 1), ERR_GAP);
    assert_int_equal(sequencer.accepted, 5);
    assert_int_equal(sequencer.under_way, 0);
    assert_int_equal(sequencer_offer(&sequencer, 5, 1), 0);
}

static void repeated_records_go_to_the_store_and_move_nothing_back(void **state)
{
    (void)state;
    struct sequencer sequencer;
    sequencer_init(&sequencer, 20);
    assert_int_equal(sequencer_offer(&sequencer, 3, 5), 0);
    assert_int_equal(sequencer.accepted, 20);
}

static void wholly_repeated_offer_is_acknowledged_again(void **state)
{
    (void)state;
    struct sequencer sequencer;
    uint64_t next;
    sequencer_init(&sequencer, 20);
    assert_int_equal(sequencer_offer(&sequencer, 15, 5), 0);
    sequencer_ack_again(&sequencer);
    sequencer_committed(&sequencer, 20);
    assert_true(sequencer_take_ack(&sequencer, &next));
    assert_int_equal(next, 20);
}

static void failed_commit_begins_anew_only_when_nothing_is_under_way(void **state)
{
    (void)state;
    struct sequencer sequencer;
    sequencer_init(&sequencer, 0);
    assert_int_equal(sequencer_offer(&sequencer, 0, 10), 0);
    assert_int_equal(sequencer_offer(&sequencer, 10, 10), 0);
    sequencer_failed(&sequencer);
    assert_int_equal(sequencer.state, SEQUENCER_DRAINING);
    assert_int_equal(sequencer_offer(&sequencer, 20, 1), ERR_UNAVAILABLE);
    sequencer_failed(&sequencer); // the second one, a gap for the first one's sake
    assert_int_equal(sequencer.state, SEQUENCER_REREAD);
    sequencer_reread(&sequencer, 0);
    assert_int_equal(sequencer_offer(&sequencer, 0, 10), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consecutive_records_are_taken_and_acknowledged_once_durable),
        cmocka_unit_test(missing_records_are_a_gap_and_nothing_is_taken),
        cmocka_unit_test(repeated_records_go_to_the_store_and_move_nothing_back),
        cmocka_unit_test(wholly_repeated_offer_is_acknowledged_again),
        cmocka_unit_test(failed_commit_begins_anew_only_when_nothing_is_under_way),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
