// The queues of operations, by one thread.
#include "store/engine/queues.h"
#include "store/ops/key.h"
#include "util/testing.h"

static uint64_t age_ns(struct queues *queues)
{
    pthread_mutex_lock(&queues->mutex);
    uint64_t ns = queues_commit_age_ns(queues);
    pthread_mutex_unlock(&queues->mutex);
    return ns;
}

static size_t take(struct queues *queues, struct store_op **ops)
{
    pthread_mutex_lock(&queues->mutex);
    queues_wait(queues, 0);
    size_t count = queues_take(queues, ops);
    pthread_mutex_unlock(&queues->mutex);
    return count;
}

static void a_commit_has_an_age_from_when_it_is_taken_until_it_is_committed(void **state)
{
    (void)state;
    struct queues queues;
    struct store_op *ops[GROUP_OPS_MAX];
    struct store_key_used used = {.op.kind = STORE_KEY_USED};
    queues_init(&queues);
    assert_int_equal(age_ns(&queues), 0);
    assert_true(queues_submit(&queues, &used.op, true));
    assert_int_equal(age_ns(&queues), 0);
    assert_int_equal(take(&queues, ops), 1);
    uint64_t age = age_ns(&queues);
    assert_true(age > 0 && age_ns(&queues) >= age);
    queues_committed(&queues, 1);
    assert_int_equal(age_ns(&queues), 0);
    queues_release(&queues);
}

// It wakes up for what must be done unasked, too.
static void a_writer_that_waits_again_commits_nothing(void **state)
{
    (void)state;
    struct queues queues;
    struct store_op *ops[GROUP_OPS_MAX];
    queues_init(&queues);
    assert_int_equal(take(&queues, ops), 0);
    pthread_mutex_lock(&queues.mutex);
    queues_wait(&queues, 0);
    pthread_mutex_unlock(&queues.mutex);
    assert_int_equal(age_ns(&queues), 0);
    queues_release(&queues);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_commit_has_an_age_from_when_it_is_taken_until_it_is_committed),
        cmocka_unit_test(a_writer_that_waits_again_commits_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
