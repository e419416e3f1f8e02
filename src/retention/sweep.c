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

// The front of one log, in slices.
struct cutting {
    struct store_front front;
    struct store_cut cut;
    size_t at;    // in what the slice has found
    bool goes_on; // with the same log
};

struct sweep {
    struct sweep_options options;
    struct retention rules;
    struct retention in_force; // of this slice: the store's threads read it
    struct timer *timer;       // NULL once it has stopped
    struct store_retention_look look;
    struct store_lease lease;
    struct purging purges[STORE_RETENTION_MAX];
    struct cutting cutting;
    unsigned under_way;   // purges
    int64_t purged;       // in this pass
    uint64_t records_cut; // in this pass
    bool again_soon;      // something of this pass could not be done yet
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
    uint64_t pause_ms = sweep->again_soon ? PASS_LEAST_MS : MIN(MAX(shortest_ms / AGE_SHARE, PASS_LEAST_MS), PASS_MS);
    return MAX(pause_ms, sweep->worked_ms * PASS_SHARE);
}

static void pass_end(struct sweep *sweep, uint64_t pause_ms)
{
    if (sweep->purged > 0)
        log_info(sweep->options.logger, "executions were purged, as retention lets them go",
                 LOG_I("executions", sweep->purged));
    if (sweep->records_cut > 0)
        log_info(sweep->options.logger, "records at the front of logs were removed, as retention lets them go",
                 LOG_I("records", (int64_t)sweep->records_cut));
    sweep->purged = 0;
    sweep->records_cut = 0;
    sweep->again_soon = false;
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

// --- Cutting logs, one after the other, a slice at a time

static void cut_next(struct sweep *sweep);

static void cut_done(struct sweep *sweep, bool goes_on)
{
    sweep->cutting.at += !goes_on;
    sweep->cutting.goes_on = goes_on;
    if (goes_on)
        again_in(sweep, SLICE_MS);
    else
        cut_next(sweep);
}

static void cut(struct store_op *op)
{
    struct sweep *sweep = CONTAINER_OF(op, struct sweep, cutting.cut.op);
    const struct store_cut *done = &sweep->cutting.cut;
    if (op->err == 0) {
        uint64_t records = done->after.first - done->before.first;
        sweep->records_cut += records;
        metrics_add(sweep->options.metrics, 0, METRIC_retention_records_cut_total, (int64_t)records);
    }
    sweep->again_soon |= op->err == ERR_HELD || op->err == ERR_CONFLICT; // it is being merged, or was
    if (op->err && op->err != ERR_HELD && op->err != ERR_CONFLICT)
        fail(sweep, op->err);
    else
        cut_done(sweep, op->err == 0 && sweep->cutting.front.ret_more);
}

static void front_read(struct store_op *op)
{
    struct sweep *sweep = CONTAINER_OF(op, struct sweep, cutting.front.op);
    const struct store_front *front = &sweep->cutting.front;
    if (!sweep->timer)
        return;
    if (op->err) {
        fail(sweep, op->err);
    } else if (front->ret_after.first == front->ret_before.first) {
        cut_done(sweep, false);
    } else {
        sweep->cutting.cut = (struct store_cut){
            .row = front->row, .rules = &sweep->in_force, .before = front->ret_before, .after = front->ret_after};
        submit(sweep, &sweep->cutting.cut.op, STORE_CUT, cut);
    }
}

static void cut_next(struct sweep *sweep)
{
    struct cutting *it = &sweep->cutting;
    while (it->at < sweep->look.ret_count && !sweep->look.ret_found[it->at].front)
        it->at++;
    it->goes_on = false;
    if (!sweep->timer)
        return;
    if (it->at == sweep->look.ret_count) {
        slice_end(sweep);
        return;
    }
    it->front = (struct store_front){.row = sweep->look.ret_found[it->at].row, .rules = &sweep->in_force};
    submit(sweep, &it->front.op, STORE_FRONT, front_read);
}

static void cut_found(struct sweep *sweep)
{
    sweep->cutting.at = 0;
    cut_next(sweep);
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
        cut_found(sweep);
}

static void purge_found(struct sweep *sweep)
{
    size_t count = sweep->look.ret_count;
    sweep->failed = false;
    for (size_t i = 0; i < count; i++)
        sweep->under_way += !sweep->look.ret_found[i].front;
    if (sweep->under_way == 0) {
        cut_found(sweep);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        const struct retention_found *found = &sweep->look.ret_found[i];
        struct purging *it = &sweep->purges[i];
        if (found->front)
            continue;
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
    if (sweep->cutting.goes_on) {
        cut_next(sweep);
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
