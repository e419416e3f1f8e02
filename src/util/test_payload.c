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
        cmocka_unit_test(lives_until_the_last_owner_lets_go),
        cmocka_unit_test(may_be_empty),
        cmocka_unit_test(threads_count_owners_without_losing_any),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
