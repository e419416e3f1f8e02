// An event loop, built on libuv. Each thread has its own. It reports when file descriptors are ready, runs timers,
// signals and deferred calls, and receives messages from other threads. All functions must be called on the loop's own
// thread, except loop_post and loop_stop. Nothing may block a loop.
#pragma once

#include "util/error.h"
#include "util/list.h"

struct loop;

int loop_new(struct loop **ret);
// Must be called after loop_run has returned and after every watch, timer and signal was freed. Ends the lingerers, and
// delivers the mail that is still under way, so that its senders get their memory back.
void loop_free(struct loop **loop);
int loop_run(struct loop *loop);   // returns after loop_stop, but not before one full turn
void loop_stop(struct loop *loop); // any thread
// Delivers the mail that came after loop_run returned. It is for shutdown, when the senders are already being freed.
void loop_deliver(struct loop *loop);
uint64_t loop_now_ms(const struct loop *loop); // monotonic; read once per turn of the loop

// One buffer that all readers of the loop share. Its content is valid until the callback that filled it returns.
#define LOOP_SCRATCH_SIZE ((size_t)64 * 1024)
uint8_t *loop_scratch(struct loop *loop);

// --- Messages: the only way to reach a loop from another thread. The inbox has no limit: each sender limits how much
// it has under way. The mail is embedded in the sender's struct. It belongs to the loop until `deliver` has run, once,
// on the loop's thread.
struct mail {
    struct mail *next;
    void (*deliver)(struct mail *mail);
};
// May be called on any thread. The mail of one sender is delivered in order. Many messages cause one wake-up.
void loop_post(struct loop *loop, struct mail *mail);

// --- Deferred calls: each runs once, after the events of this turn and before the loop waits again. Scheduling a call
// that is already scheduled does nothing.
struct deferred {
    struct list_node node; // deferred_init calls list_init on it
    void (*run)(struct deferred *deferred);
};
void deferred_init(struct deferred *deferred, void (*run)(struct deferred *));
void loop_defer(struct loop *loop, struct deferred *deferred);
void deferred_cancel(struct deferred *deferred);

// --- Lingerers: objects that live on after their owner has let go of them, such as a connection that is closing. A
// lingerer belongs to the loop until it is done.
struct lingerer {
    struct list_node node;                  // the lingerer removes itself when it is done
    void (*end)(struct lingerer *lingerer); // called by loop_free: must free everything now
};
void loop_linger(struct loop *loop, struct lingerer *lingerer);

// --- Timers fire once; start a timer again to repeat it. A callback may free its own timer.
struct timer;
struct timer *timer_new(struct loop *loop, void (*fire)(void *arg), void *arg);
void timer_start(struct timer *timer, uint64_t delay_ms); // replaces the earlier delay; 0 counts as 1
void timer_stop(struct timer *timer);
bool timer_active(const struct timer *timer);
void timer_free(struct timer **timer);

// --- File descriptors. The caller owns the descriptor and must close it only after watch_free. When the descriptor has
// an error, all watched events are reported, so that the reader or the writer meets the error.
enum watch_events {
    WATCH_READ = 1,
    WATCH_WRITE = 2,
    WATCH_HANGUP = 4, // the peer has half-closed; reported every turn until it is no longer watched
    WATCH_ERROR = 8,  // only errors, and the close of both directions
};
struct watch;
int watch_new(struct loop *loop, int fd, void (*ready)(void *arg, unsigned events), void *arg, struct watch **ret);
void watch_set(struct watch *watch, unsigned events); // 0 = watch nothing; cheap when nothing changes
void watch_free(struct watch **watch);                // allowed within the watch's own callback

// --- Signals.
struct signal_watch;
struct signal_watch *signal_watch_new(struct loop *loop, int signum, void (*caught)(void *arg, int signum), void *arg);
void signal_watch_free(struct signal_watch **watch);
