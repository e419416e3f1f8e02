#include "loop/pool.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>

#include <cmocka.h>

struct sum {
    struct loop *loop;
    unsigned done, wanted;
    pthread_t loop_thread;
    bool on_loop_thread;
};

struct add {
    struct job job;
    struct sum *sum;
    unsigned input, output;
};

static void add_work(struct job *job)
{
    struct add *add = CONTAINER_OF(job, struct add, job);
    add->output = add->input * 2;
}

static void add_done(struct job *job)
{
    struct add *add = CONTAINER_OF(job, struct add, job);
    if (!pthread_equal(pthread_self(), add->sum->loop_thread))
        add->sum->on_loop_thread = false;
    if (++add->sum->done == add->sum->wanted)
        loop_stop(add->sum->loop);
}

static void jobs_run_and_reply_on_their_loop(void **state)
{
    (void)state;
    enum { COUNT = 500 };
    struct sum sum = {.wanted = COUNT, .loop_thread = pthread_self(), .on_loop_thread = true};
    assert_int_equal(loop_new(&sum.loop), 0);
    struct pool *pool = NULL;
    assert_int_equal(pool_new(3, COUNT, &pool), 0);
    struct add *adds = xcalloc(COUNT, sizeof(*adds));
    for (unsigned i = 0; i < COUNT; i++) {
        adds[i] =
            (struct add){.job = {.reply_to = sum.loop, .work = add_work, .done = add_done}, .sum = &sum, .input = i};
        assert_int_equal(pool_submit(pool, &adds[i].job), 0);
    }
    loop_run(sum.loop);
    assert_true(sum.on_loop_thread);
    for (unsigned i = 0; i < COUNT; i++)
        assert_int_equal(adds[i].output, i * 2);
    pool_free(&pool);
    free(adds);
    loop_free(&sum.loop);
}

// A job that holds its thread until the gate opens.
struct gate {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    bool entered, open;
};

struct gated {
    struct job job;
    struct gate *gate;
    unsigned done;
};

static void gated_work(struct job *job)
{
    struct gate *gate = CONTAINER_OF(job, struct gated, job)->gate;
    pthread_mutex_lock(&gate->lock);
    gate->entered = true;
    pthread_cond_broadcast(&gate->changed);
    while (!gate->open)
        pthread_cond_wait(&gate->changed, &gate->lock);
    pthread_mutex_unlock(&gate->lock);
}

static void gated_done(struct job *job)
{
    CONTAINER_OF(job, struct gated, job)->done++;
}

static void full_queue_refuses_and_free_finishes_what_waits(void **state)
{
    (void)state;
    struct loop *loop = NULL;
    assert_int_equal(loop_new(&loop), 0);
    struct pool *pool = NULL;
    assert_int_equal(pool_new(1, 2, &pool), 0);
    struct gate gate = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    struct gated jobs[4];
    for (unsigned i = 0; i < 4; i++)
        jobs[i] = (struct gated){.job = {.reply_to = loop, .work = gated_work, .done = gated_done}, .gate = &gate};

    assert_int_equal(pool_submit(pool, &jobs[0].job), 0);
    pthread_mutex_lock(&gate.lock);
    while (!gate.entered)
        pthread_cond_wait(&gate.changed, &gate.lock);
    pthread_mutex_unlock(&gate.lock);
    assert_int_equal(pool_submit(pool, &jobs[1].job), 0);
    assert_int_equal(pool_submit(pool, &jobs[2].job), 0);
    assert_int_equal(pool_submit(pool, &jobs[3].job), ERR_UNAVAILABLE);

    pthread_mutex_lock(&gate.lock);
    gate.open = true;
    pthread_cond_broadcast(&gate.changed);
    pthread_mutex_unlock(&gate.lock);
    pool_free(&pool);
    loop_free(&loop);
    assert_int_equal(jobs[0].done, 1);
    assert_int_equal(jobs[1].done, 1);
    assert_int_equal(jobs[2].done, 1);
    assert_int_equal(jobs[3].done, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_run_and_reply_on_their_loop),
        cmocka_unit_test(full_queue_refuses_and_free_finishes_what_waits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
