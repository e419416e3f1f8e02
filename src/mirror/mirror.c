#include "mirror/mirror.h"

#include "mirror/push.h"
#include "util/backoff.h"
#include "util/clock.h"
#include "util/id.h"

#define SUBJECT        1  // of the lease: there is one mirror
#define QUEUE_SHORT    64 // while more operations wait in the store, it waits too
#define BUSY_MS        200
#define AGAIN_MS       1     // something was left
#define ELSEWHERE_MS   10000 // another server holds the lease
#define READ_BYTES     ((size_t)1024 * 1024)
#define PUSH_BYTES     ((size_t)1024 * 1024) // of a body, unpacked
#define PUSH_BYTES_MIN ((size_t)16 * 1024)
#define ASKING         2 // threads
#define ASKING_MAX     64

struct mirror {
    struct mirror_options options;
    struct pool *pusher, *askers;
    struct timer *timer; // NULL once it has stopped
    atomic_bool abort;
    int64_t node; // that holds the lease; 0: none yet
    bool entered; // what went on before there was a mirror
    struct store_lease lease;
    struct store_mirror_enter enter;
    struct store_mirror_look look;
    struct store_read read;
    struct store_mirror_advance advance;
    struct loki_part *part; // that is read
    struct push push;
    struct mirror_step steps[STORE_MIRROR_MAX]; // of it
    size_t push_max;                            // bytes; less if Loki takes no more
    size_t at;                                  // in what the look has found
    // Of this pass.
    int64_t fence_ms, floor_ms; // fence: later lines wait. floor: it is at least that
    int64_t oldest_ms;          // of the lines that were found; INT64_MAX: there are none
    uint64_t behind;            // logs that had something
    bool left, left_below;      // something was left; before the fence
    bool over;                  // all was looked at
    struct backoff backoff;
    struct log_limiter failures, refusals;
};

static void next_log(struct mirror *it);

static void again_in(struct mirror *it, uint64_t delay_ms)
{
    if (it->timer)
        timer_start(it->timer, delay_ms);
}

static void count(struct mirror *it, enum metric metric, uint64_t amount)
{
    metrics_add(it->options.metrics, 0, metric, (int64_t)amount);
}

// --- The end of a pass

static void show_lag(struct mirror *it)
{
    int64_t lag_ms = it->oldest_ms == INT64_MAX ? 0 : MAX(clock_real_ms() - it->oldest_ms, 0);
    metrics_set(it->options.metrics, METRIC_loki_logs_waiting, (int64_t)it->behind);
    metrics_set(it->options.metrics, METRIC_loki_lag_seconds, lag_ms / 1000);
}

// Nothing that was before the fence is left: the next lines may be as much later than it as the window allows.
static void pass_end(struct mirror *it)
{
    int64_t window_ms = (int64_t)it->options.window_ms, now_ms = clock_real_ms();
    if (!it->left)
        it->behind = 0, it->oldest_ms = INT64_MAX;
    show_lag(it);
    if (it->oldest_ms == INT64_MAX)
        it->floor_ms = now_ms + window_ms;
    else if (!it->left_below)
        it->floor_ms = MIN(it->fence_ms, now_ms) + window_ms;
    again_in(it, it->left ? AGAIN_MS : it->options.pause_ms);
}

// What was gathered is read again.
static void pass_fail(struct mirror *it, uint64_t wait_ms)
{
    push_forget(&it->push);
    show_lag(it);
    again_in(it, MAX(backoff_lost(&it->backoff, 0), wait_ms));
}

static void store_fail(struct mirror *it, int err)
{
    uint64_t left_out;
    if (it->timer && log_limiter_pass(&it->failures, clock_mono_ms(), &left_out))
        log_error(it->options.logger, "logs cannot be mirrored in Loki for now, because of the store",
                  LOG_S("error", error_word(err)), LOG_I("left_out", left_out));
    pass_fail(it, BUSY_MS);
}

// --- Pushing

static void advanced(struct store_op *op)
{
    struct mirror *it = CONTAINER_OF(op, struct mirror, advance.op);
    if (op->err) {
        store_fail(it, op->err);
        return;
    }
    push_forget(&it->push);
    if (!it->timer)
        return;
    if (it->over && it->at == it->look.ret_count)
        pass_end(it);
    else
        next_log(it);
}

static void advance(struct mirror *it)
{
    it->advance = (struct store_mirror_advance){
        .op = {.kind = STORE_MIRROR_ADVANCE, .reply_to = it->options.loop, .done = advanced},
        .steps = it->steps,
        .count = push_steps(&it->push, it->steps),
    };
    store_submit(it->options.store, &it->advance.op);
}

static void tell_failure(struct mirror *it)
{
    uint64_t left_out;
    if (log_limiter_pass(&it->failures, clock_mono_ms(), &left_out))
        log_warn(it->options.logger, "Loki does not take logs; they wait, and are pushed when it does",
                 LOG_S("reason", buf_cstr(&it->push.error)), LOG_I("left_out", left_out));
}

static void tell_refusal(struct mirror *it)
{
    uint64_t left_out;
    if (log_limiter_pass(&it->refusals, clock_mono_ms(), &left_out))
        log_warn(it->options.logger, "Loki has refused lines for good; they are not pushed again",
                 LOG_S("reason", buf_cstr(&it->push.error)), LOG_I("left_out", left_out));
}

static void fail(struct mirror *it, uint64_t wait_ms)
{
    count(it, METRIC_loki_push_failures_total, 1);
    tell_failure(it);
    pass_fail(it, wait_ms);
}

// Less of the same is pushed at once.
static void shrink(struct mirror *it)
{
    it->push_max = MAX(it->push_max / 2, PUSH_BYTES_MIN);
    count(it, METRIC_loki_push_failures_total, 1);
    push_forget(&it->push);
    again_in(it, AGAIN_MS);
}

static void took(struct mirror *it)
{
    const struct push *push = &it->push;
    count(it, METRIC_loki_pushes_total, 1);
    count(it, METRIC_loki_lines_total, push->lines);
    count(it, METRIC_loki_lines_cut_total, push->cut);
    count(it, METRIC_loki_lines_missed_total, push->missing);
    backoff_reset(&it->backoff);
    advance(it);
}

static void refused(struct mirror *it)
{
    count(it, METRIC_loki_push_refused_total, 1);
    tell_refusal(it);
    took(it);
}

static void pushed(struct push *push)
{
    struct mirror *it = CONTAINER_OF(push, struct mirror, push);
    if (!it->timer) {
        push_forget(push);
    } else if (push->verdict == LOKI_TAKEN) {
        took(it);
    } else if (push->verdict == LOKI_REFUSED || (push->verdict == LOKI_LARGE && it->push_max == PUSH_BYTES_MIN)) {
        refused(it);
    } else if (push->verdict == LOKI_LARGE) {
        shrink(it);
    } else {
        fail(it, push->wait_ms);
    }
}

static void send(struct mirror *it)
{
    if (it->push.lines == 0)
        advance(it);
    else if (push_send(&it->push, it->pusher)) // it has one, and no more
        pass_fail(it, BUSY_MS);
}

// --- Gathering

static void gather(struct mirror *it, struct loki_part *part)
{
    struct push *push = &it->push;
    push_add(push, part);
    if (push->bytes >= it->push_max || push->count == STORE_MIRROR_MAX)
        send(it);
    else
        next_log(it);
}

static bool gone(int err)
{
    return err == ERR_EXPIRED || err == ERR_NOT_FOUND;
}

static void read_done(struct store_op *op)
{
    struct mirror *it = CONTAINER_OF(op, struct mirror, read.op);
    struct loki_part *part = TAKE_PTR(it->part);
    uint64_t first = it->read.ret_first_sequence;
    int err = op->err;
    store_op_release(op);
    if (err == 0 && it->timer) {
        it->left |= part->to < part->next;
        it->left_below |= part->to < part->next && !part->fenced;
        if (part->to < first && part->lines == 0) { // what was to come is gone, and nothing is behind it
            part->missing = first - part->to;
            part->to = first;
        }
        gather(it, part);
        return;
    }
    loki_part_free(&part);
    if (!it->timer)
        return;
    if (gone(err) || err == ERR_CORRUPT) // told by who reads it; others must not wait for it
        next_log(it);
    else
        store_fail(it, err);
}

// On a thread of the store.
static void fill(struct store_op *op)
{
    struct mirror *it = CONTAINER_OF(op, struct mirror, read.op);
    struct store_read *read = &it->read;
    struct loki_part *part = it->part;
    bool more = op->err == 0;
    for (size_t i = 0; i < read->ret_count && more; i++) {
        const struct store_segment *segment = &read->ret_segments[i];
        for (uint32_t k = 0; k < chunk_count(segment->chunk) && more; k++) {
            struct record record;
            if (segment->first + k < part->to)
                continue;
            chunk_record(segment->chunk, k, &record);
            more = loki_part_add(part, segment->first + k, &record);
        }
    }
    loki_part_finish(part);
    store_read_forget(read);
}

static void read_log(struct mirror *it, const struct mirror_found *found)
{
    const struct loki_part_options options = {
        .labels = it->options.labels,
        .line_max = it->options.line_max,
        .bytes_max = it->push_max - MIN(it->push.bytes, it->push_max - 1),
        .fence_ms = it->fence_ms,
    };
    it->part = loki_part_new(found, &options);
    it->read = (struct store_read){
        .op = {.kind = STORE_READ,
               .reply_to = it->options.loop,
               .done = read_done,
               .process = fill,
               .account = found->account,
               .scan = true},
        .row = found->row,
        .from = found->copied,
        .max_bytes = READ_BYTES,
    };
    store_submit(it->options.store, &it->read.op);
}

// The first log that has something has the oldest lines. Where each run has streams of its own, none waits for another;
// and none does once the fence has come to the present.
static void set_fence(struct mirror *it, int64_t time_ms)
{
    it->oldest_ms = MIN(it->oldest_ms, time_ms);
    if (it->behind++ > 0 || it->options.labels == LOKI_RUN)
        return;
    int64_t fence_ms = MAX(it->floor_ms, it->oldest_ms + (int64_t)it->options.window_ms);
    it->fence_ms = fence_ms >= clock_real_ms() ? INT64_MAX : fence_ms;
}

static void look_on(struct mirror *it);

// Returns whether somebody else goes on: a read, or a push.
static bool take_log(struct mirror *it, const struct mirror_found *found)
{
    if (found->copied < found->next) {
        set_fence(it, found->time_ms);
        read_log(it, found);
        return true;
    }
    if (!found->sealed)
        return false;
    struct loki_part *part = loki_part_new(found, &(struct loki_part_options){0}); // nothing more, and it ends
    loki_part_finish(part);
    push_add(&it->push, part);
    if (it->push.count < STORE_MIRROR_MAX)
        return false;
    send(it);
    return true;
}

static void next_log(struct mirror *it)
{
    while (it->at < it->look.ret_count) {
        if (take_log(it, &it->look.ret_found[it->at++]))
            return;
    }
    if (!it->over)
        look_on(it);
    else if (it->push.count > 0)
        send(it);
    else
        pass_end(it);
}

static void looked(struct store_op *op)
{
    struct mirror *it = CONTAINER_OF(op, struct mirror, look.op);
    if (!it->timer)
        return;
    if (op->err) {
        store_fail(it, op->err);
        return;
    }
    it->at = 0;
    it->over = it->look.ret_over;
    next_log(it);
}

static void submit(struct mirror *it, struct store_op *op, enum store_op_kind kind, void (*done)(struct store_op *op))
{
    *op = (struct store_op){.kind = kind, .reply_to = it->options.loop, .done = done, .scan = true};
    store_submit(it->options.store, op);
}

static void look_on(struct mirror *it)
{
    submit(it, &it->look.op, STORE_MIRROR_LOOK, looked);
}

static void pass_begin(struct mirror *it)
{
    it->look.cursor = (struct mirror_cursor){0};
    it->look.ret_count = it->at = 0;
    it->behind = 0;
    it->oldest_ms = it->fence_ms = INT64_MAX;
    it->left = it->left_below = it->over = false;
    look_on(it);
}

// --- The lease, and what went on before there was a mirror

static void enter(struct mirror *it);

static void entered(struct store_op *op)
{
    struct mirror *it = CONTAINER_OF(op, struct mirror, enter.op);
    if (!it->timer)
        return;
    if (op->err) {
        store_fail(it, op->err);
        return;
    }
    it->enter.after = it->enter.ret_last;
    it->entered = it->enter.ret_last == 0;
    enter(it);
}

static void enter(struct mirror *it)
{
    it->enter.missing = true;
    if (it->entered)
        pass_begin(it);
    else
        submit(it, &it->enter.op, STORE_MIRROR_ENTER, entered);
}

static void claimed(struct store_op *op)
{
    struct mirror *it = CONTAINER_OF(op, struct mirror, lease.op);
    if (!it->timer)
        return;
    if (op->err == ERR_HELD || op->err == ERR_NODE_FENCED) {
        again_in(it, ELSEWHERE_MS);
    } else if (op->err) {
        store_fail(it, op->err);
    } else {
        it->node = it->lease.ask.node;
        enter(it);
    }
}

static void tick(void *arg)
{
    struct mirror *it = arg;
    struct store_stats stats;
    int64_t node = it->options.node(it->options.node_arg);
    if (store_stats(it->options.store, &stats) && stats.queue > QUEUE_SHORT) {
        again_in(it, BUSY_MS);
    } else if (node == it->node) {
        pass_begin(it);
    } else {
        it->lease = (struct store_lease){
            .lease_kind = LEASE_MIRROR, .subject = SUBJECT, .ask = {.cause = NODE_LEASE_CLAIM, .node = node}};
        submit(it, &it->lease.op, STORE_LEASE, claimed);
    }
}

// --- Asking

int mirror_ask(struct mirror *mirror, struct mirror_query *query)
{
    return mirror_query_submit(query, mirror->askers, &mirror->options.access);
}

// --- Life

int mirror_new(const struct mirror_options *options, struct mirror **ret)
{
    struct mirror *it = xcalloc(1, sizeof(*it));
    it->options = *options;
    it->options.access.abort = &it->abort;
    it->push_max = PUSH_BYTES;
    it->floor_ms = INT64_MIN;
    it->oldest_ms = INT64_MAX;
    it->backoff = (struct backoff){.attempts = 1, .random = random_u64()};
    push_init(&it->push, it->options.loop, &it->options.access, pushed);
    int err = pool_new(1, 1, &it->pusher);
    if (err == 0)
        err = pool_new(ASKING, ASKING_MAX, &it->askers);
    *ret = it;
    if (err)
        mirror_free(ret);
    return err;
}

void mirror_start(struct mirror *it)
{
    it->timer = timer_new(it->options.loop, tick, it);
    again_in(it, AGAIN_MS);
}

void mirror_stop(struct mirror *it)
{
    if (!it)
        return;
    atomic_store(&it->abort, true);
    timer_free(&it->timer);
}

void mirror_join(struct mirror *it)
{
    if (!it)
        return;
    pool_free(&it->pusher);
    pool_free(&it->askers);
}

void mirror_free(struct mirror **mirror)
{
    struct mirror *it = TAKE_PTR(*mirror);
    if (!it)
        return;
    mirror_join(it);
    push_release(&it->push);
    loki_part_free(&it->part);
    free(it);
}
