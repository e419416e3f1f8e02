// One event loop a thread, on libuv: readiness of file descriptors, timers, signals, deferred calls and messages from
// other threads. All functions are for the loop's own thread, save loop_post and loop_stop. Nothing blocks a loop.
#pragma once

#include "util/error.h"
#include "util/list.h"

struct loop;

int loop_new(struct loop **ret);
// After loop_run has returned; every watch, timer and signal must be freed before. Ends what lingers and delivers the
// mail that is still under way, so that its senders get their memory back.
void loop_free(struct loop **loop);
int loop_run(struct loop *loop);   // returns after loop_stop, having made at least one turn
void loop_stop(struct loop *loop); // any thread
// Takes in the mail that came since loop_run returned: for the end, when what posted it is already being torn down.
void loop_deliver(struct loop *loop);
uint64_t loop_now_ms(const struct loop *loop); // monotonic, taken once per turn of the loop

// One buffer for all readers of the loop: what is in it lives until the callback that filled it returns.
#define LOOP_SCRATCH_SIZE ((size_t)64 * 1024)
uint8_t *loop_scratch(struct loop *loop);

// --- Messages: the only way into a loop from another thread. Unbounded by itself: each sender bounds what it has under
// way. The mail is embedded in the sender's struct and belongs to the loop until `deliver` runs, once, on the loop's
// thread.
struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail);
};
void loop_post(struct loop *loop, struct mail *mail); // any thread; order is kept per sender; one wake-up for many

// --- Deferred calls: run once, after the present turn's events and before the loop waits again. Scheduling one that is
// scheduled is a no-op.
struct deferred {
    struct list_node node; // list_init'ed by deferred_init
    void (*run)(struct deferred *deferred);
};
void deferred_init(struct deferred *deferred, void (*run)(struct deferred *));
void loop_defer(struct loop *loop, struct deferred *deferred);
void deferred_cancel(struct deferred *deferred);

// --- What outlives its owner for a while (a connection that is saying goodbye) and belongs to the loop until it is
// gone.
struct lingerer {
    struct list_node node;                  // list_remove'd by itself when it is done
    void (*end)(struct lingerer *lingerer); // by loop_free: give everything back now
};
void loop_linger(struct loop *loop, struct lingerer *lingerer);

// --- Timers: one-shot; start again to repeat. A callback may free its own timer.
struct timer;
struct timer *timer_new(struct loop *loop, void (*fire)(void *arg), void *arg);
void timer_start(struct timer *timer, uint64_t delay_ms); // replaces what was set; 0 is taken as 1
void timer_stop(struct timer *timer);
bool timer_active(const struct timer *timer);
void timer_free(struct timer **timer);

// --- File descriptors. The descriptor stays the caller's and must be closed only after watch_free. On an error of the
// descriptor all events that are watched for are reported, so that the reader or writer finds it.
enum watch_events {
    WATCH_READ = 1,
    WATCH_WRITE = 2,
    WATCH_HANGUP = 4, // the peer's half-close; reported again and again until it is no longer watched for
    WATCH_ERROR = 8,  // nothing but errors and a close of both directions
};
struct watch;
int watch_new(struct loop *loop, int fd, void (*ready)(void *arg, unsigned events), void *arg, struct watch **ret);
void watch_set(struct watch *watch, unsigned events); // 0 = none; cheap when unchanged
void watch_free(struct watch **watch);                // also from within its own callback

// --- Signals.
struct signal_watch;
struct signal_watch *signal_watch_new(struct loop *loop, int signum, void (*caught)(void *arg, int signum), void *arg);
void signal_watch_free(struct signal_watch **watch);
