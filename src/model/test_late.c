#include "model/late.h"
#include "util/testing.h"

static struct late_event event(const char *id, int64_t time_ms, const char *message, uint64_t order)
{
    struct late_event it = {
        .record = {.time_ms = time_ms, .message = str_of(message)}, .id = str_of(id), .order = order};
    it.key = late_key_of(it.id, &it.record, 0);
    return it;
}

static void assert_messages(const struct late_event *events, size_t count, const char *messages)
{
    assert_int_equal(count, strlen(messages));
    for (size_t i = 0; i < count; i++)
        assert_int_equal(events[i].record.message.data[0], messages[i]);
}

static void events_are_sorted_by_time_then_by_the_ids_of_the_source_then_as_they_came(void **state)
{
    (void)state;
    struct late_event events[] = {event("10", 5, "d", 0), event("", 5, "e", 1), event("9", 5, "c", 2),
                                  event("7", 1, "a", 3),  event("", 5, "f", 4), event("8", 2, "b", 5)};
    late_sort(events, ARRAY_LEN(events));
    assert_messages(events, ARRAY_LEN(events), "abcdef");
    // The same in whatever order they come, as far as they have ids.
    struct late_event others[] = {event("8", 2, "b", 0), event("9", 5, "c", 1), event("10", 5, "d", 2),
                                  event("7", 1, "a", 3)};
    late_sort(others, ARRAY_LEN(others));
    assert_messages(others, ARRAY_LEN(others), "abcd");
}

static void an_id_is_taken_once_whatever_it_comes_with(void **state)
{
    (void)state;
    struct late_event events[] = {event("1", 1, "a", 0), event("2", 1, "b", 1), event("1", 9, "c", 2),
                                  event("2", 1, "d", 3), event("3", 0, "e", 4)};
    size_t count = late_unique(events, ARRAY_LEN(events));
    assert_messages(events, count, "abe");
    const bool known[] = {false, true, false};
    assert_messages(events, late_unknown(events, count, known), "ae");
    assert_int_equal(late_unique(events, 0), 0);
}

static void an_event_without_an_id_is_named_by_its_time_its_content_and_its_place_among_the_same(void **state)
{
    (void)state;
    const struct record one = {.time_ms = 1, .message = STR("a")}, later = {.time_ms = 2, .message = STR("a")},
                        other = {.time_ms = 1, .message = STR("b")};
    const struct late_key keys[] = {
        late_key_of(STR(""), &one, 0),   late_key_of(STR(""), &one, 1),  late_key_of(STR(""), &later, 0),
        late_key_of(STR(""), &other, 0), late_key_of(STR("1"), &one, 0), late_key_of(STR("2"), &one, 0),
    };
    for (size_t i = 0; i < ARRAY_LEN(keys); i++)
        for (size_t j = 0; j < ARRAY_LEN(keys); j++)
            assert_int_equal(late_key_equal(&keys[i], &keys[j]), i == j);
    const struct late_key again = late_key_of(STR("1"), &other, 7); // its id alone
    assert_true(late_key_equal(&again, &keys[4]));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_are_sorted_by_time_then_by_the_ids_of_the_source_then_as_they_came),
        cmocka_unit_test(an_id_is_taken_once_whatever_it_comes_with),
        cmocka_unit_test(an_event_without_an_id_is_named_by_its_time_its_content_and_its_place_among_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
