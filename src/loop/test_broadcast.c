#include "loop/broadcast.h"
#include "util/testing.h"

#include <pthread.h>

#define MESSAGES 1000

struct message {
    uint64_t number;
    char text[16];
};

struct member {
    struct loop *loop;
    pthread_t thread;
    uint64_t heard;
};

static void hear(void *owner, const void *message)
{
    struct member *member = owner;
    const struct message *it = message;
    assert_int_equal(it->number, member->heard);
    assert_string_equal(it->text, "told");
    if (++member->heard == MESSAGES)
        loop_stop(member->loop);
}

static void *run(void *arg)
{
    struct member *member = arg;
    assert_int_equal(loop_run(member->loop), 0);
    return NULL;
}

static void every_loop_hears_every_message_in_order_on_its_own_thread(void **state)
{
    (void)state;
    struct broadcast *broadcast = broadcast_new(sizeof(struct message));
    struct member members[3] = {0};
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        assert_int_equal(loop_new(&members[i].loop), 0);
        broadcast_join(broadcast, members[i].loop, hear, &members[i]);
        assert_int_equal(pthread_create(&members[i].thread, NULL, run, &members[i]), 0);
    }
    for (uint64_t i = 0; i < MESSAGES; i++) {
        struct message message = {.number = i, .text = "told"};
        broadcast_tell(broadcast, &message);
        memset(&message, 0xff, sizeof(message)); // each loop has a copy
    }
    for (size_t i = 0; i < ARRAY_LEN(members); i++) {
        pthread_join(members[i].thread, NULL);
        assert_int_equal(members[i].heard, MESSAGES);
        loop_free(&members[i].loop);
    }
    broadcast_free(&broadcast);
    assert_null(broadcast);
}

static void what_no_loop_took_any_more_is_freed_with_it(void **state)
{
    (void)state;
    struct broadcast *broadcast = broadcast_new(sizeof(struct message));
    struct member member = {0};
    assert_int_equal(loop_new(&member.loop), 0);
    broadcast_join(broadcast, member.loop, hear, &member);
    const struct message message = {.text = "told"};
    broadcast_tell(broadcast, &message);
    loop_free(&member.loop);
    assert_int_equal(member.heard, 1);
    broadcast_free(&broadcast);
}

static void without_loops_nobody_hears(void **state)
{
    (void)state;
    struct broadcast *broadcast = broadcast_new(sizeof(struct message));
    broadcast_tell(broadcast, &(struct message){0});
    broadcast_free(&broadcast);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_loop_hears_every_message_in_order_on_its_own_thread),
        cmocka_unit_test(what_no_loop_took_any_more_is_freed_with_it),
        cmocka_unit_test(without_loops_nobody_hears),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
