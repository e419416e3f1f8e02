#include "loop/pool.h"

#include "util/fair_queue.h"

#include <pthread.h>

struct pool {
    pthread_mutex_t lock;
    pthread_cond_t wanted; // signalled when jobs have come, and at the end
    struct fair_queue waiting;
    unsigned queue_max;
    bool stopping;
    unsigned thread_count;
    pthread_t threads[];
};

static void deliver_done(struct mail *mail)
{
    struct job *job = CONTAINER_OF(mail, struct job, mail);
    job->done(job);
}

static void *pool_thread(void *arg)
{
    struct pool *pool = arg;
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        while (pool->waiting.count == 0 && !pool->stopping)
            pthread_cond_wait(&pool->wanted, &pool->lock);
        if (pool->waiting.count == 0)
            break;
        struct job *job = CONTAINER_OF(fair_queue_pop(&pool->waiting), struct job, node);
        pthread_mutex_unlock(&pool->lock);
        bool tells = job->done;
        job->work(job);
        if (tells) {
            job->mail.deliver = deliver_done;
            loop_post(job->reply_to, &job->mail);
        }
        pthread_mutex_lock(&pool->lock);
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

int pool_new(unsigned threads, unsigned queue_max, struct pool **ret)
{
    struct pool *pool = xcalloc(1, sizeof(*pool) + threads * sizeof(pool->threads[0]));
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->wanted, NULL);
    fair_queue_init(&pool->waiting);
    pool->queue_max = queue_max;
    for (unsigned i = 0; i < threads; i++) {
        int err = pthread_create(&pool->threads[i], NULL, pool_thread, pool);
        if (err) {
            pool_free(&pool);
            return -err;
        }
        pool->thread_count++;
    }
    *ret = pool;
    return 0;
}

int pool_submit(struct pool *pool, struct job *job)
{
    pthread_mutex_lock(&pool->lock);
    bool room = pool->waiting.count < pool->queue_max && !pool->stopping;
    if (room) {
        fair_queue_push(&pool->waiting, job->account, &job->node);
        pthread_cond_signal(&pool->wanted);
    }
    pthread_mutex_unlock(&pool->lock);
    return room ? 0 : ERR_UNAVAILABLE;
}

void pool_free(struct pool **pool_ptr)
{
    struct pool *pool = *pool_ptr;
    if (!pool)
        return;
    *pool_ptr = NULL;
    pthread_mutex_lock(&pool->lock);
    pool->stopping = true;
    pthread_cond_broadcast(&pool->wanted);
    pthread_mutex_unlock(&pool->lock);
    for (unsigned i = 0; i < pool->thread_count; i++)
        pthread_join(pool->threads[i], NULL);
    fair_queue_release(&pool->waiting);
    pthread_cond_destroy(&pool->wanted);
    pthread_mutex_destroy(&pool->lock);
    free(pool);
}
