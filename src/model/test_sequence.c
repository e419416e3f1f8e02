#include "model/sequence.h"
#include "util/testing.h"

static const struct sequence_head open_head = {.next = 100, .epoch = 3, .status = STATUS_RUNNING};
static const struct sequence_producer ten = {.next = 10, .last_hash = 77};

static int admit(struct sequence_head head, struct sequence_offer offer, uint64_t *ret_repeated)
{
    *ret_repeated = UINT64_MAX;
    return sequence_admit(&head, &ten, &offer, ret_repeated);
}

static void what_follows_is_appended(void **state)
{
    (void)state;
    uint64_t repeated;
    assert_int_equal(admit(open_head, (struct sequence_offer){.first = 10, .count = 5, .epoch = 3}, &repeated), 0);
    assert_int_equal(repeated, 0);
    assert_int_equal(admit(open_head, (struct sequence_offer){.first = 10, .count = 5}, &repeated), 0);
    assert_int_equal(repeated, 0);
}

static void an_overlap_is_repeated_and_its_rest_appended(void **state)
{
    (void)state;
    uint64_t repeated;
    struct sequence_offer offer = {.first = 7, .count = 5, .epoch = 3, .has_repeat_hash = true, .repeat_hash = 77};
    assert_int_equal(admit(open_head, offer, &repeated), 0);
    assert_int_equal(repeated, 3);
    offer.repeat_hash = 78;
    assert_int_equal(admit(open_head, offer, &repeated), ERR_CONFLICT);
    assert_int_equal(repeated, UINT64_MAX);
}

static void a_repetition_below_the_last_record_needs_no_hash(void **state)
{
    (void)state;
    uint64_t repeated;
    assert_int_equal(admit(open_head, (struct sequence_offer){.first = 2, .count = 3, .epoch = 3}, &repeated), 0);
    assert_int_equal(repeated, 3);
    // The hash is not of a record that is among these, so it says nothing.
    struct sequence_offer offer = {.first = 2, .count = 3, .epoch = 3, .has_repeat_hash = true, .repeat_hash = 1};
    assert_int_equal(admit(open_head, offer, &repeated), 0);
}

static void a_hole_is_a_gap_unless_it_is_stated(void **state)
{
    (void)state;
    uint64_t repeated;
    struct sequence_offer offer = {.first = 11, .count = 1, .epoch = 3};
    assert_int_equal(admit(open_head, offer, &repeated), ERR_GAP);
    offer.skip_ahead = true;
    assert_int_equal(admit(open_head, offer, &repeated), 0);
    assert_int_equal(repeated, 0);
}

static void another_epoch_is_fenced_even_for_repetitions(void **state)
{
    (void)state;
    uint64_t repeated;
    for (uint64_t epoch = 1; epoch <= 5; epoch++) {
        struct sequence_offer offer = {.first = 10, .count = 1, .epoch = epoch};
        assert_int_equal(admit(open_head, offer, &repeated), epoch == 3 ? 0 : ERR_FENCED);
        offer.first = 9;
        assert_int_equal(admit(open_head, offer, &repeated), epoch == 3 ? 0 : ERR_FENCED);
    }
}

static void a_sealed_log_takes_repetitions_only(void **state)
{
    (void)state;
    uint64_t repeated;
    struct sequence_head sealed = open_head;
    sealed.sealed = true;
    struct sequence_offer offer = {.first = 8, .count = 2, .epoch = 3, .has_repeat_hash = true, .repeat_hash = 77};
    assert_int_equal(admit(sealed, offer, &repeated), 0);
    assert_int_equal(repeated, 2);
    offer.count = 3;
    assert_int_equal(admit(sealed, offer, &repeated), ERR_SEALED);
    offer.repeat_hash = 1;
    assert_int_equal(admit(sealed, offer, &repeated), ERR_CONFLICT);
}

static void a_purged_execution_is_gone_for_everyone(void **state)
{
    (void)state;
    uint64_t repeated;
    struct sequence_head purged = open_head;
    purged.purged = purged.sealed = true;
    assert_int_equal(admit(purged, (struct sequence_offer){.first = 0, .count = 1, .epoch = 1}, &repeated),
                     ERR_EXPIRED);
}

static void counters_that_overflow_are_a_gap(void **state)
{
    (void)state;
    uint64_t repeated;
    struct sequence_offer offer = {.first = UINT64_MAX, .count = 2, .epoch = 3, .skip_ahead = true};
    assert_int_equal(admit(open_head, offer, &repeated), ERR_GAP);
}

// Offers of any overlap in any order leave each record stored once and in order: the model behind all producers.
static void any_offers_store_every_record_once(void **state)
{
    (void)state;
    uint64_t seed = 1;
    for (unsigned round = 0; round < 200; round++) {
        struct sequence_head head = {.epoch = 1, .status = STATUS_RUNNING};
        struct sequence_producer producer = {0};
        for (unsigned step = 0; step < 100; step++) {
            struct sequence_offer offer = {
                .first = test_random(&seed) % 60, .count = test_random(&seed) % 20, .epoch = 1};
            // The hash of record n is n + 1000.
            offer.has_repeat_hash = offer.first < producer.next && offer.first + offer.count >= producer.next;
            offer.repeat_hash = producer.next - 1 + 1000;
            uint64_t repeated;
            int err = sequence_admit(&head, &producer, &offer, &repeated);
            assert_int_equal(err == ERR_GAP, offer.first > producer.next && offer.count > 0);
            if (err != 0)
                continue;
            assert_true(repeated <= offer.count);
            if (repeated == offer.count)
                continue;
            assert_int_equal(offer.first + repeated, producer.next);
            producer.next += offer.count - repeated;
            head.next += offer.count - repeated;
            producer.last_hash = producer.next - 1 + 1000;
        }
        assert_int_equal(head.next, producer.next);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_follows_is_appended),
        cmocka_unit_test(an_overlap_is_repeated_and_its_rest_appended),
        cmocka_unit_test(a_repetition_below_the_last_record_needs_no_hash),
        cmocka_unit_test(a_hole_is_a_gap_unless_it_is_stated),
        cmocka_unit_test(another_epoch_is_fenced_even_for_repetitions),
        cmocka_unit_test(a_sealed_log_takes_repetitions_only),
        cmocka_unit_test(a_purged_execution_is_gone_for_everyone),
        cmocka_unit_test(counters_that_overflow_are_a_gap),
        cmocka_unit_test(any_offers_store_every_record_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
