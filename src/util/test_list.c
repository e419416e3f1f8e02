#include "util/list.h"
#include "util/testing.h"

struct item {
    struct list_node node;
    char name;
};

static void assert_list(const struct list_node *head, const char *expected)
{
    char forward[16] = "", backward[16] = "";
    size_t len = strlen(expected), at = 0;
    for (const struct list_node *it = head->next; it != head; it = it->next)
        forward[at++] = CONTAINER_OF(it, struct item, node)->name;
    assert_int_equal(at, len);
    for (const struct list_node *it = head->prev; it != head; it = it->prev)
        backward[--at] = CONTAINER_OF(it, struct item, node)->name;
    assert_string_equal(forward, expected);
    assert_string_equal(backward, expected);
}

static void keeps_the_order_of_pushes(void **state)
{
    (void)state;
    struct list_node head;
    struct item a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
    list_init(&head);
    assert_true(list_empty(&head));
    list_push_back(&head, &b.node);
    list_push_back(&head, &c.node);
    list_push_front(&head, &a.node);
    assert_list(&head, "abc");
    assert_false(list_empty(&head));
}

static void removing_twice_is_harmless(void **state)
{
    (void)state;
    struct list_node head;
    struct item a = {.name = 'a'}, b = {.name = 'b'};
    list_init(&head);
    list_push_back(&head, &a.node);
    list_push_back(&head, &b.node);
    list_remove(&a.node);
    list_remove(&a.node);
    assert_list(&head, "b");
    list_remove(&b.node);
    assert_true(list_empty(&head));
}

static void splice_moves_all_to_the_end(void **state)
{
    (void)state;
    struct list_node to, from;
    struct item a = {.name = 'a'}, b = {.name = 'b'}, c = {.name = 'c'};
    list_init(&to);
    list_init(&from);
    list_push_back(&to, &a.node);
    list_splice(&to, &from);
    assert_list(&to, "a");
    list_push_back(&from, &b.node);
    list_push_back(&from, &c.node);
    list_splice(&to, &from);
    assert_list(&to, "abc");
    assert_true(list_empty(&from));
}

static void nodes_may_be_freed_while_visited(void **state)
{
    (void)state;
    struct list_node head;
    int visited = 0;
    list_init(&head);
    for (int i = 0; i < 3; i++) {
        struct item *item = xcalloc(1, sizeof(*item));
        list_push_back(&head, &item->node);
    }
    LIST_FOR_EACH_SAFE(it, next, &head) {
        list_remove(it);
        free(CONTAINER_OF(it, struct item, node));
        visited++;
    }
    assert_int_equal(visited, 3);
    assert_true(list_empty(&head));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_order_of_pushes),
        cmocka_unit_test(removing_twice_is_harmless),
        cmocka_unit_test(splice_moves_all_to_the_end),
        cmocka_unit_test(nodes_may_be_freed_while_visited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
