#include "retention/sweep.h"

#include "util/clock.h"

#define SUBJECT       1     // of the lease: there is one sweep
#define QUEUE_SHORT   64    // while more operations wait in the store, it waits too
#define BUSY_MS       200   // before it looks again whether they do
#define SLICE_MS      10    // pause between slices
#define PASS_MS       10000 // pause between passes, at most; and after a failure
#define PASS_LEAST_MS 250
#define PASS_SHARE    20 // a pass may take one part of so many of the time
#define AGE_SHARE     4  // passes within the shortest age

struct purging {
    struct store_purge purge;
    struct sweep *sweep;
};

struct sweep {
    struct sweep_options options;
    struct retention rules;
    struct retention in_force; // of this slice: the store's threads read it
    struct timer *timer;       // NULL once it has stopped
    struct store_retention_look look;
    struct store_lease lease;
    struct purging purges[STORE_RETENTION_MAX];
    unsigned under_way;   // purges
    int64_t purged;       // in this pass
    int64_t node;         // that holds the lease; 0: none yet
    uint64_t slice_began; // mono, in ms
    uint64_t worked_ms;   // in this pass
    bool failed;          // of this slice, something
};

struct sweep *sweep_new(const struct sweep_options *options)
{
    struct sweep *sweep = xcalloc(1, sizeof(*sweep));
    sweep->options = *options;
    return sweep;
}

void sweep_free(struct sweep **sweep)
{
    free(TAKE_PTR(*sweep));
}

void sweep_set(struct sweep *sweep, const struct retention *rules)
{
    sweep->rules = *rules;
}

static void submit(struct sweep *sweep, struct store_op *op, enum store_op_kind kind, void (*done)(struct store_op *op))
{
    *op = (struct store_op){.kind = kind, .reply_to = sweep->options.loop, .done = done, .scan = true};
    store_submit(sweep->options.store, op);
}

static void again_in(struct sweep *sweep, uint64_t delay_ms)
{
    if (sweep->timer)
        timer_start(sweep->timer, delay_ms);
}

// --- Passes

// The shorter the ages, the sooner the next one; the longer it takes, the later.
static uint64_t pause_after_pass(const struct sweep *sweep)
{
    int64_t newest = retention_sealed_by(&sweep->rules, 0);
    uint64_t shortest_ms = newest == INT64_MIN ? PASS_MS : (uint64_t)-newest;
    uint64_t pause_ms = MIN(MAX(shortest_ms / AGE_SHARE, PASS_LEAST_MS), PASS_MS);
    return MAX(pause_ms, sweep->worked_ms * PASS_SHARE);
}

static void pass_end(struct sweep *sweep, uint64_t pause_ms)
{
    if (sweep->purged > 0)
        log_info(sweep->options.logger, "executions were purged, as retention lets them go",
                 LOG_I("executions", sweep->purged));
    sweep->purged = 0;
    sweep->worked_ms = 0;
    sweep->look.cursor = (struct retention_cursor){0};
    again_in(sweep, pause_ms);
}

// The pass begins anew later; what it has purged stays purged.
static void fail(struct sweep *sweep, int err)
{
    if (sweep->timer)
        log_error(sweep->options.logger, "expired executions could not be purged; it is tried again",
                  LOG_S("error", error_word(err)));
    pass_end(sweep, PASS_MS);
}

static void slice_end(struct sweep *sweep)
{
    sweep->worked_ms += clock_mono_ms() - sweep->slice_began;
    if (sweep->look.ret_over)
        pass_end(sweep, pause_after_pass(sweep));
    else
        again_in(sweep, SLICE_MS);
}

// --- Purging

static void purged(struct store_op *op)
{
    struct purging *it = CONTAINER_OF(op, struct purging, purge.op);
    struct sweep *sweep = it->sweep;
    int err = op->err;
    sweep->under_way--;
    if (err == 0) {
        sweep->purged++;
        metrics_add(sweep->options.metrics, 0, METRIC_retention_purged_total, 1);
    } else if (err != ERR_CONFLICT &&
               !sweep->failed) { // a conflict: it was pinned meanwhile, or its rules have changed
        sweep->failed = true;
        sweep->look.op.err = err;
    }
    if (sweep->under_way > 0)
        return;
    if (sweep->failed)
        fail(sweep, sweep->look.op.err);
    else
        slice_end(sweep);
}

static void purge_found(struct sweep *sweep)
{
    sweep->failed = false;
    sweep->under_way = (unsigned)sweep->look.ret_count;
    for (size_t i = 0; i < sweep->look.ret_count; i++) {
        const struct retention_found *found = &sweep->look.ret_found[i];
        struct purging *it = &sweep->purges[i];
        *it = (struct purging){.sweep = sweep};
        it->purge.row = found->row;
        it->purge.rules = &sweep->in_force;
        it->purge.by_limits = found->by_limits;
        submit(sweep, &it->purge.op, STORE_PURGE, purged);
    }
}

static void claimed(struct store_op *op)
{
    struct sweep *sweep = CONTAINER_OF(op, struct sweep, lease.op);
    if (op->err == 0) {
        sweep->node = sweep->lease.ask.node;
        if (sweep->timer)
            purge_found(sweep);
    } else if (op->err == ERR_HELD || op->err == ERR_NODE_FENCED) {
        pass_end(sweep, PASS_MS); // another server does it, or this one starts anew
    } else {
        fail(sweep, op->err);
    }
}

// Nothing is written while nothing has expired, so the lease is claimed only then.
static void looked(struct store_op *op)
{
    struct sweep *sweep = CONTAINER_OF(op, struct sweep, look.op);
    int64_t node = sweep->options.node(sweep->options.node_arg);
    if (!sweep->timer)
        return;
    if (op->err) {
        fail(sweep, op->err);
    } else if (sweep->look.ret_count == 0) {
        slice_end(sweep);
    } else if (node == sweep->node) {
        purge_found(sweep);
    } else {
        sweep->lease = (struct store_lease){
            .lease_kind = LEASE_SWEEP, .subject = SUBJECT, .ask = {.cause = NODE_LEASE_CLAIM, .node = node}};
        submit(sweep, &sweep->lease.op, STORE_LEASE, claimed);
    }
}

static void tick(void *arg)
{
    struct sweep *sweep = arg;
    struct store_stats stats;
    if (store_stats(sweep->options.store, &stats) && stats.queue > QUEUE_SHORT) {
        again_in(sweep, BUSY_MS);
        return;
    }
    sweep->slice_began = clock_mono_ms();
    sweep->in_force = sweep->rules;
    sweep->look.rules = &sweep->in_force;
    submit(sweep, &sweep->look.op, STORE_RETENTION_LOOK, looked);
}

void sweep_start(struct sweep *sweep)
{
    sweep->timer = timer_new(sweep->options.loop, tick, sweep);
    timer_start(sweep->timer, PASS_LEAST_MS);
}

void sweep_stop(struct sweep *sweep)
{
    timer_free(&sweep->timer);
}
