#include "util/fair_queue.h"
#include "util/testing.h"

struct item {
    struct list_node node;
    int64_t account;
    int number;
};

static void accounts_take_turns_and_each_keeps_its_order(void **state)
{
    (void)state;
    static const struct {
        int64_t account;
        int number;
    } order[] = {{1, 0}, {2, 0}, {7, 0}, {1, 1}, {2, 1}, {1, 2}, {1, 3}};
    struct item items[] = {
        {.account = 1, .number = 0}, {.account = 1, .number = 1}, {.account = 1, .number = 2},
        {.account = 1, .number = 3}, {.account = 2, .number = 0}, {.account = 2, .number = 1},
        {.account = 7, .number = 0},
    };
    struct fair_queue queue;
    fair_queue_init(&queue);
    assert_null(fair_queue_pop(&queue));
    for (size_t i = 0; i < ARRAY_LEN(items); i++)
        fair_queue_push(&queue, items[i].account, &items[i].node);
    assert_int_equal(queue.count, ARRAY_LEN(items));
    for (size_t i = 0; i < ARRAY_LEN(order); i++) {
        struct item *item = CONTAINER_OF(fair_queue_pop(&queue), struct item, node);
        assert_int_equal(item->account, order[i].account);
        assert_int_equal(item->number, order[i].number);
    }
    assert_null(fair_queue_pop(&queue));
    fair_queue_release(&queue);
}

static void one_who_comes_late_waits_for_one_turn_only(void **state)
{
    (void)state;
    struct item flood[100], late = {.account = 2};
    struct fair_queue queue;
    fair_queue_init(&queue);
    for (size_t i = 0; i < ARRAY_LEN(flood); i++)
        fair_queue_push(&queue, 1, &flood[i].node);
    fair_queue_pop(&queue);
    fair_queue_push(&queue, late.account, &late.node);
    assert_ptr_equal(fair_queue_pop(&queue), &flood[1].node);
    assert_ptr_equal(fair_queue_pop(&queue), &late.node);
    fair_queue_release(&queue);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(accounts_take_turns_and_each_keeps_its_order),
        cmocka_unit_test(one_who_comes_late_waits_for_one_turn_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
