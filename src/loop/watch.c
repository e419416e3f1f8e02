// Timers, descriptors and signals. libuv closes handles asynchronously, so each struct is freed in the close callback
// of its handle.
#include "loop/loop_private.h"

struct timer {
    uv_timer_t uv;
    struct loop *loop;
    void (*fire)(void *arg);
    void *arg;
};

static void free_handle(uv_handle_t *handle)
{
    free(handle->data);
}

static void on_timer(uv_timer_t *handle)
{
    struct timer *timer = handle->data;
    timer->fire(timer->arg);
}

struct timer *timer_new(struct loop *loop, void (*fire)(void *arg), void *arg)
{
    struct timer *timer = xcalloc(1, sizeof(*timer));
    uv_timer_init(&loop->uv, &timer->uv);
    timer->uv.data = timer;
    timer->loop = loop;
    timer->fire = fire;
    timer->arg = arg;
    return timer;
}

void timer_start(struct timer *timer, uint64_t delay_ms)
{
    // The loop's clock stands still while the loop does not run, and the timer would fire too early.
    if (!timer->loop->running)
        uv_update_time(&timer->loop->uv);
    // With a delay of 0, a timer that starts itself again would fire for ever within the same turn.
    uv_timer_start(&timer->uv, on_timer, MAX(delay_ms, 1u), 0);
}

void timer_stop(struct timer *timer)
{
    uv_timer_stop(&timer->uv);
}

bool timer_active(const struct timer *timer)
{
    return uv_is_active((const uv_handle_t *)&timer->uv);
}

void timer_free(struct timer **timer_ptr)
{
    struct timer *timer = *timer_ptr;
    if (!timer)
        return;
    *timer_ptr = NULL;
    uv_close((uv_handle_t *)&timer->uv, free_handle);
}

struct watch {
    uv_poll_t uv;
    void (*ready)(void *arg, unsigned events);
    void *arg;
    unsigned events;
};

static void on_poll(uv_poll_t *handle, int status, int uv_events);

static int watch_apply(struct watch *watch)
{
    int uv_events = 0;
    if (watch->events & WATCH_READ)
        uv_events |= UV_READABLE;
    if (watch->events & WATCH_WRITE)
        uv_events |= UV_WRITABLE;
    if (watch->events & WATCH_HANGUP)
        uv_events |= UV_DISCONNECT;
    if (watch->events & WATCH_ERROR)
        uv_events |= UV_PRIORITIZED; // urgent data never comes here; errors are reported with every kind of event
    if (uv_events == 0)
        return uv_poll_stop(&watch->uv);
    return uv_poll_start(&watch->uv, uv_events, on_poll);
}

static void on_poll(uv_poll_t *handle, int status, int uv_events)
{
    struct watch *watch = handle->data;
    if (status < 0) {
        // libuv has stopped the handle. Start it again, because a read may take the error away.
        unsigned watched = watch->events;
        watch_apply(watch);
        watch->ready(watch->arg, watched | WATCH_ERROR);
        return;
    }
    unsigned events = 0;
    if (uv_events & UV_READABLE)
        events |= WATCH_READ;
    if (uv_events & UV_WRITABLE)
        events |= WATCH_WRITE;
    if (uv_events & UV_DISCONNECT)
        events |= WATCH_HANGUP;
    if (uv_events & UV_PRIORITIZED)
        events |= WATCH_ERROR;
    watch->ready(watch->arg, events);
}

int watch_new(struct loop *loop, int fd, void (*ready)(void *arg, unsigned events), void *arg, struct watch **ret)
{
    struct watch *watch = xcalloc(1, sizeof(*watch));
    int err = uv_poll_init(&loop->uv, &watch->uv, fd);
    if (err < 0) {
        free(watch);
        return err;
    }
    watch->uv.data = watch;
    watch->ready = ready;
    watch->arg = arg;
    *ret = watch;
    return 0;
}

void watch_set(struct watch *watch, unsigned events)
{
    if (watch->events == events)
        return;
    watch->events = events;
    watch_apply(watch);
}

void watch_free(struct watch **watch_ptr)
{
    struct watch *watch = *watch_ptr;
    if (!watch)
        return;
    *watch_ptr = NULL;
    uv_close((uv_handle_t *)&watch->uv, free_handle);
}

struct signal_watch {
    uv_signal_t uv;
    void (*caught)(void *arg, int signum);
    void *arg;
};

static void on_signal(uv_signal_t *handle, int signum)
{
    struct signal_watch *watch = handle->data;
    watch->caught(watch->arg, signum);
}

struct signal_watch *signal_watch_new(struct loop *loop, int signum, void (*caught)(void *arg, int signum), void *arg)
{
    struct signal_watch *watch = xcalloc(1, sizeof(*watch));
    uv_signal_init(&loop->uv, &watch->uv);
    watch->uv.data = watch;
    watch->caught = caught;
    watch->arg = arg;
    uv_signal_start(&watch->uv, on_signal, signum);
    return watch;
}

void signal_watch_free(struct signal_watch **watch_ptr)
{
    struct signal_watch *watch = *watch_ptr;
    if (!watch)
        return;
    *watch_ptr = NULL;
    uv_close((uv_handle_t *)&watch->uv, free_handle);
}
