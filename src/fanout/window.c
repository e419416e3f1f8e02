// The window of a follower: how many bytes its socket may get before it has taken them. It begins small. Each time that
// the socket has taken everything, it grows, as far as its account has room. What a socket has not taken after a second
// is copied, so that it keeps no chunk in memory.
#include "fanout/fanout_private.h"

#define WINDOW_MIN ((size_t)64 * 1024)
#define WINDOW_MAX ((size_t)512 * 1024)
#define STALL_MS   1000
#define SLACK_PART 8

static struct budget_account *account_of(const struct subscriber *subscriber)
{
    return subscriber->topic->account;
}

void window_init(struct subscriber *subscriber)
{
    subscriber->window.size = WINDOW_MIN;
    list_init(&subscriber->window.full);
}

void window_release(struct subscriber *subscriber)
{
    list_remove(&subscriber->window.full);
    budget_lease_release(&subscriber->window.beyond);
}

static void window_reset(struct window *window)
{
    window->size = WINDOW_MIN;
    budget_lease_release(&window->beyond);
}

void window_wait(struct subscriber *subscriber)
{
    struct window *window = &subscriber->window;
    struct fanout *fanout = subscriber->fanout;
    if (!list_empty(&window->full))
        return;
    window->full_ms = loop_now_ms(fanout->options.loop);
    list_push_back(&fanout->full_windows, &window->full);
    if (!timer_active(fanout->stall_timer))
        timer_start(fanout->stall_timer, STALL_MS);
}

size_t window_room(struct subscriber *subscriber)
{
    const struct window *window = &subscriber->window;
    size_t pending = subscriber->sink->pending(subscriber->owner);
    if (window->stalled && pending > 0)
        return 0;
    if (pending < window->size)
        return window->size - pending;
    window_wait(subscriber);
    return 0;
}

size_t window_slack(const struct subscriber *subscriber)
{
    return (subscriber->window.size - WINDOW_MIN) / SLACK_PART;
}

void window_drained(struct subscriber *subscriber)
{
    struct window *window = &subscriber->window;
    bool was_full = !list_empty(&window->full);
    list_remove(&window->full);
    if (window->stalled) {
        window->stalled = false;
        window_reset(window);
        return;
    }
    size_t larger = MIN(window->size * 2, WINDOW_MAX);
    if (was_full && budget_lease_set(&window->beyond, account_of(subscriber), BUDGET_pinned, larger - WINDOW_MIN))
        window->size = larger;
}

void window_idle(struct subscriber *subscriber)
{
    struct window *window = &subscriber->window;
    if (window->beyond.bytes > 0 && budget_tight(window->beyond.account, BUDGET_pinned) &&
        subscriber->sink->pending(subscriber->owner) == 0)
        window_reset(window);
}

bool window_stretch(struct subscriber *subscriber, size_t bytes)
{
    struct window *window = &subscriber->window;
    if (bytes <= window->size)
        return true;
    if (!budget_lease_set(&window->beyond, account_of(subscriber), BUDGET_pinned, bytes - WINDOW_MIN))
        return false;
    window->size = bytes;
    return true;
}

static void copy_what_stalls(void *arg)
{
    struct fanout *fanout = arg;
    uint64_t now = loop_now_ms(fanout->options.loop);
    while (!list_empty(&fanout->full_windows)) {
        struct window *window = CONTAINER_OF(fanout->full_windows.next, struct window, full);
        struct subscriber *subscriber = CONTAINER_OF(window, struct subscriber, window);
        if (now - window->full_ms < STALL_MS) {
            timer_start(fanout->stall_timer, STALL_MS - (now - window->full_ms));
            break;
        }
        list_remove(&window->full);
        window->stalled = true;
        subscriber->sink->unshare(subscriber->owner);
    }
    loop_defer(fanout->options.loop, &fanout->evict);
}

void windows_init(struct fanout *fanout)
{
    list_init(&fanout->full_windows);
    fanout->stall_timer = timer_new(fanout->options.loop, copy_what_stalls, fanout);
}

void windows_release(struct fanout *fanout)
{
    timer_free(&fanout->stall_timer);
}
