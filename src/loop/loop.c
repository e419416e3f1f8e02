#include "loop/loop_private.h"

#include <assert.h>

// A deferred call may schedule another one: a stream flushes into a connection, which flushes into its socket. A few
// rounds within one turn settle that. Calls that are still scheduled after these rounds wait for the next turn, so that
// they cannot starve the descriptors.
#define DEFERRED_ROUNDS 8

static void run_deferred(struct loop *loop)
{
    for (int round = 0; round < DEFERRED_ROUNDS && !list_empty(&loop->deferred); round++) {
        struct list_node batch;
        list_init(&batch);
        list_splice(&batch, &loop->deferred);
        while (!list_empty(&batch)) {
            struct deferred *deferred = CONTAINER_OF(batch.next, struct deferred, node);
            list_remove(&deferred->node);
            deferred->run(deferred);
        }
    }
}

static void deliver_mail(struct loop *loop)
{
    struct mail *newest = atomic_exchange_explicit(&loop->inbox, NULL, memory_order_acquire);
    struct mail *oldest = NULL;
    while (newest) {
        struct mail *next = newest->next;
        newest->next = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest) {
        struct mail *next = oldest->next; // `deliver` may free or post it again
        oldest->deliver(oldest);
        oldest = next;
    }
}

static void idle_nothing(uv_idle_t *handle)
{
    (void)handle;
}

static void on_before_wait(uv_prepare_t *handle)
{
    struct loop *loop = handle->data;
    run_deferred(loop);
    if (list_empty(&loop->deferred))
        uv_idle_stop(&loop->busy);
    else
        uv_idle_start(&loop->busy, idle_nothing);
}

static void on_after_wait(uv_check_t *handle)
{
    run_deferred(handle->data);
}

static void on_wake(uv_async_t *handle)
{
    struct loop *loop = handle->data;
    deliver_mail(loop);
    if (atomic_load_explicit(&loop->stop, memory_order_acquire))
        uv_stop(&loop->uv);
}

int loop_new(struct loop **ret)
{
    struct loop *loop = xcalloc(1, sizeof(*loop));
    int err = uv_loop_init(&loop->uv);
    if (err < 0) {
        free(loop);
        return err;
    }
    err = uv_async_init(&loop->uv, &loop->wake, on_wake);
    if (err < 0) {
        uv_loop_close(&loop->uv);
        free(loop);
        return err;
    }
    // These three cannot fail: they only link the handle.
    uv_prepare_init(&loop->uv, &loop->before_wait);
    uv_check_init(&loop->uv, &loop->after_wait);
    uv_idle_init(&loop->uv, &loop->busy);
    loop->wake.data = loop->before_wait.data = loop->after_wait.data = loop;
    uv_prepare_start(&loop->before_wait, on_before_wait);
    uv_check_start(&loop->after_wait, on_after_wait);
    list_init(&loop->deferred);
    list_init(&loop->lingerers);
    loop->scratch = xmalloc(LOOP_SCRATCH_SIZE);
    *ret = loop;
    return 0;
}

void loop_free(struct loop **loop_ptr)
{
    struct loop *loop = *loop_ptr;
    if (!loop)
        return;
    *loop_ptr = NULL;
    while (!list_empty(&loop->lingerers)) {
        struct lingerer *lingerer = CONTAINER_OF(loop->lingerers.next, struct lingerer, node);
        list_remove(&lingerer->node);
        lingerer->end(lingerer);
    }
    loop_deliver(loop);
    uv_close((uv_handle_t *)&loop->wake, NULL);
    uv_close((uv_handle_t *)&loop->before_wait, NULL);
    uv_close((uv_handle_t *)&loop->after_wait, NULL);
    uv_close((uv_handle_t *)&loop->busy, NULL);
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    int err = uv_loop_close(&loop->uv);
    assert(err == 0 && "a watch, timer or signal was not freed");
    (void)err;
    free(loop->scratch);
    free(loop);
}

void loop_deliver(struct loop *loop)
{
    while (atomic_load_explicit(&loop->inbox, memory_order_acquire))
        deliver_mail(loop);
}

int loop_run(struct loop *loop)
{
    uv_update_time(&loop->uv);
    loop->running = true;
    uv_run(&loop->uv, UV_RUN_NOWAIT);
    while (!atomic_load_explicit(&loop->stop, memory_order_acquire))
        uv_run(&loop->uv, UV_RUN_DEFAULT);
    loop->running = false;
    atomic_store_explicit(&loop->stop, false, memory_order_release);
    return 0;
}

void loop_stop(struct loop *loop)
{
    atomic_store_explicit(&loop->stop, true, memory_order_release);
    uv_async_send(&loop->wake);
}

uint64_t loop_now_ms(const struct loop *loop)
{
    return uv_now(&loop->uv);
}

uint8_t *loop_scratch(struct loop *loop)
{
    return loop->scratch;
}

void loop_post(struct loop *loop, struct mail *mail)
{
    struct mail *head = atomic_load_explicit(&loop->inbox, memory_order_relaxed);
    do {
        mail->next = head;
    } while (
        !atomic_compare_exchange_weak_explicit(&loop->inbox, &head, mail, memory_order_release, memory_order_relaxed));
    // If mail is there already, an earlier sender has woken the loop, and it has not read its mail yet.
    if (!head)
        uv_async_send(&loop->wake);
}

void loop_linger(struct loop *loop, struct lingerer *lingerer)
{
    list_push_back(&loop->lingerers, &lingerer->node);
}

void deferred_init(struct deferred *deferred, void (*run)(struct deferred *))
{
    list_init(&deferred->node);
    deferred->run = run;
}

void loop_defer(struct loop *loop, struct deferred *deferred)
{
    if (list_empty(&deferred->node))
        list_push_back(&loop->deferred, &deferred->node);
}

void deferred_cancel(struct deferred *deferred)
{
    list_remove(&deferred->node);
}
