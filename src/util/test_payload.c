#include "util/payload.h"
#include "util/testing.h"

#include <pthread.h>

#define THREADS 4
#define ROUNDS  2000

static void lives_until_the_last_owner_lets_go(void **state)
{
    (void)state;
    struct payload *first = payload_new("abc", 3);
    struct payload *second = payload_ref(first);
    payload_unref(&first);
    assert_null(first);
    payload_unref(&first);
    assert_str(str_n(second->data, second->len), "abc");
    payload_unref(&second);
    assert_null(second);
}

static void may_be_empty(void **state)
{
    (void)state;
    CLEANUP(payload_unref) struct payload *payload = payload_new(NULL, 0);
    assert_int_equal(payload->len, 0);
}

static void count_call(void *owner)
{
    (*(unsigned *)owner)++;
}

static void lets_its_owner_go_once_at_the_end(void **state)
{
    (void)state;
    unsigned calls = 0;
    struct payload *first = payload_of(STR("abc"), count_call, &calls);
    struct payload *second = payload_ref(first);
    payload_unref(&first);
    assert_int_equal(calls, 0);
    assert_str(str_n(second->data, second->len), "abc");
    payload_unref(&second);
    assert_int_equal(calls, 1);
}

static void takes_what_a_buffer_holds(void **state)
{
    (void)state;
    struct buf buf = {0}, empty = {0};
    buf_append_text(&buf, "abc");
    buf_reserve(&buf, 1000);
    CLEANUP(payload_unref) struct payload *payload = payload_take(&buf);
    assert_null(buf.data);
    assert_str(str_n(payload->data, payload->len), "abc");
    CLEANUP(payload_unref) struct payload *nothing = payload_take(&empty);
    assert_int_equal(nothing->len, 0);
}

static void *share(void *arg)
{
    struct payload *mine = arg;
    for (int i = 0; i < ROUNDS; i++) {
        struct payload *another = payload_ref(mine);
        payload_unref(&another);
    }
    payload_unref(&mine);
    return NULL;
}

static void threads_count_owners_without_losing_any(void **state)
{
    (void)state;
    CLEANUP(payload_unref) struct payload *payload = payload_new("abc", 3);
    pthread_t threads[THREADS];
    for (int i = 0; i < THREADS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, share, payload_ref(payload)), 0);
    for (int i = 0; i < THREADS; i++)
        pthread_join(threads[i], NULL);
    assert_int_equal(payload->refs, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lives_until_the_last_owner_lets_go),      cmocka_unit_test(may_be_empty),
        cmocka_unit_test(lets_its_owner_go_once_at_the_end),       cmocka_unit_test(takes_what_a_buffer_holds),
        cmocka_unit_test(threads_count_owners_without_losing_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
