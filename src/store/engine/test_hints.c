// What servers tell each other: gathered, written, read again.
#include "bus/bus.h"
#include "store/engine/hints.h"
#include "util/testing.h"

static struct store_change change_of(int64_t row, uint64_t next)
{
    return (struct store_change){
        .row = row, .account = 3, .batch = 9, .first = next - 1, .next = next, .front = 2, .status = STATUS_RUNNING};
}

static struct hints_heard told(struct hints *hints)
{
    CLEANUP(buf_release) struct buf message = {0};
    struct hints_heard heard;
    assert_true(hints_take(hints, &message));
    assert_true(message.len <= BUS_MESSAGE_MAX);
    assert_true(hints_read(buf_str(&message), &heard));
    return heard;
}

static void the_newest_of_each_execution_is_told(void **state)
{
    (void)state;
    CLEANUP(hints_free) struct hints *hints = hints_new(77);
    struct store_change changes[] = {change_of(5, 10), change_of(6, 1), change_of(5, 12)};
    changes[0].ready = true;
    changes[2].status = STATUS_LOST;
    changes[2].unsettled = true;
    hints_add(hints, changes, ARRAY_LEN(changes));
    struct hints_heard heard = told(hints);
    assert_int_equal(heard.sender, 77);
    assert_false(heard.news || heard.missed);
    assert_int_equal(heard.count, 2);
    const struct store_change *one = &heard.changes[0];
    assert_true(one->elsewhere && one->ready && one->unsettled && !one->sealed && !one->purged);
    assert_int_equal(one->row, 5);
    assert_int_equal(one->account, 3);
    assert_int_equal(one->batch, 9);
    assert_int_equal(one->next, 12);
    assert_int_equal(one->front, 2);
    assert_int_equal(one->status, STATUS_LOST);
    assert_int_equal(heard.changes[1].next, 1);
    free(heard.changes);
    CLEANUP(buf_release) struct buf more = {0};
    assert_false(hints_take(hints, &more));
}

static void what_does_not_fit_goes_into_the_next_message(void **state)
{
    (void)state;
    CLEANUP(hints_free) struct hints *hints = hints_new(1);
    for (int64_t row = 1; row <= 2000; row++) {
        struct store_change change = change_of(row, (uint64_t)row);
        hints_add(hints, &change, 1);
    }
    int64_t rows = 0;
    for (unsigned messages = 0; rows < 2000; messages++) {
        assert_true(messages < 2000);
        struct hints_heard heard = told(hints);
        for (size_t i = 0; i < heard.count; i++)
            assert_int_equal(heard.changes[i].row, ++rows);
        free(heard.changes);
    }
}

// In the middle of a round, between two messages, something changes that was told already.
static void what_changes_after_it_was_told_is_told_again(void **state)
{
    (void)state;
    CLEANUP(hints_free) struct hints *hints = hints_new(1);
    for (int64_t row = 1; row <= 500; row++) {
        struct store_change change = change_of(row, 1);
        hints_add(hints, &change, 1);
    }
    struct hints_heard heard = told(hints);
    free(heard.changes);
    struct store_change again = change_of(1, 8);
    hints_add(hints, &again, 1);
    uint64_t next = 0;
    CLEANUP(buf_release) struct buf message = {0};
    while (hints_take(hints, &message)) {
        assert_true(hints_read(buf_str(&message), &heard));
        for (size_t i = 0; i < heard.count; i++)
            next = heard.changes[i].row == 1 ? heard.changes[i].next : next;
        free(heard.changes);
        buf_reset(&message);
    }
    assert_int_equal(next, 8);
}

static void of_too_many_it_is_told_that_there_were_more(void **state)
{
    (void)state;
    CLEANUP(hints_free) struct hints *hints = hints_new(1);
    for (int64_t row = 1; row <= HINTS_MAX + 10; row++) {
        struct store_change change = change_of(row, 1);
        hints_add(hints, &change, 1);
    }
    hints_add_news(hints);
    struct hints_heard heard = told(hints);
    assert_true(heard.missed && heard.news);
    free(heard.changes);
    heard = told(hints);
    assert_false(heard.missed || heard.news);
    free(heard.changes);
}

static void a_message_that_is_none_is_passed_over(void **state)
{
    (void)state;
    static const char *const messages[] = {
        "",
        "1",
        "2 77 0\n",
        "1 x 0\n",
        "1 77 0\n5 3",
        "1 77 0\n5 3 9 12 2 99 0\n",
        "1 77 0\n-5 3 9 12 2 1 0\n",
        "1 77 0\n5 3 9 12 2 1 0 4\n",
        "1 77 0\n5 3 9 99999999999999999999 2 1 0\n",
        "1 77 0\n\n",
    };
    struct hints_heard heard;
    for (size_t i = 0; i < ARRAY_LEN(messages); i++)
        assert_false(hints_read(str_of(messages[i]), &heard));
    assert_true(hints_read(STR("1 77 0\n"), &heard));
    assert_int_equal(heard.count, 0);
    free(heard.changes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_newest_of_each_execution_is_told),
        cmocka_unit_test(what_does_not_fit_goes_into_the_next_message),
        cmocka_unit_test(what_changes_after_it_was_told_is_told_again),
        cmocka_unit_test(of_too_many_it_is_told_that_there_were_more),
        cmocka_unit_test(a_message_that_is_none_is_passed_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
