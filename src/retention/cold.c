#include "retention/cold_private.h"
#include "util/clock.h"
#include "util/id.h"

#include <sys/resource.h>

#define NICE         10
#define QUEUE_SHORT  64 // while more operations wait in the store, it waits too
#define BUSY_MS      200
#define LEAST_MS     250 // pause when there was nothing to do
#define MOST_MS      10000
#define SHARE        4                       // looks within the time that logs stay warm
#define SMALL_MS     ((uint64_t)3600 * 1000) // so long a pack that is not full waits for more
#define SWEEP_MS     ((uint64_t)3600 * 1000)
#define ELSEWHERE_MS 10000 // another server holds the lease
#define REFUSED_MS   60000 // what was sent was not taken, and will not be soon

// --- One pack

static int send_found(struct cold_mover *it, struct store_cold_look *look)
{
    struct cold_pack pack = {0};
    int64_t now_ms = clock_real_ms();
    char object[COLD_OBJECT_MAX + 1];
    cold_object_name(look->ret_sealed_ms, now_ms, object);
    for (size_t i = 0; i < look->ret_count; i++) {
        struct cold_found *found = &look->ret_found[i];
        struct str body = str_n(look->ret_bodies.data + found->place.at, found->place.len);
        found->place = cold_pack_add(&pack, str_of(found->execution_id), found->first, found->count, body);
    }
    buf_release(&look->ret_bodies);
    struct store_cold_swap swap = {
        .object = object,
        .made_ms = now_ms,
        .found = look->ret_found,
        .count = look->ret_count,
        .rows = look->ret_rows,
        .row_count = look->ret_row_count,
    };
    int err = look->ret_count > 0 ? cold_send(it, &pack, &swap) : cold_swap(it, &swap);
    cold_pack_release(&pack);
    if (err == 0) {
        cold_count(it, METRIC_cold_moved_chunks_total, swap.ret_chunks);
        cold_count(it, METRIC_cold_moved_bytes_total, swap.ret_bytes);
    }
    return err;
}

// A pack that is not full waits for more of its day, but not for ever.
static bool is_worth(const struct cold_mover *it, const struct store_cold_look *look)
{
    uint64_t waits_ms = it->options.after_ms + MIN(it->options.after_ms, SMALL_MS);
    return !look->ret_over || look->ret_bodies.len >= COLD_PACK_BYTES ||
           clock_real_ms() - look->ret_sealed_ms >= (int64_t)waits_ms;
}

// Returns 1 if there may be more to move.
static int move_one(struct cold_mover *it)
{
    struct store_cold_look look = {.sealed_by_ms = clock_real_ms() - (int64_t)it->options.after_ms,
                                   .cursor = it->cursor};
    int err = cold_run(it, &look.op, STORE_COLD_LOOK);
    bool any = err == 0 && (look.ret_count > 0 || look.ret_row_count > 0);
    bool moves = any && is_worth(it, &look);
    if (moves)
        err = send_found(it, &look);
    bool more = err == 0 && !look.ret_over && (moves || !any);
    it->cursor = more ? look.cursor : (struct cold_cursor){0};
    store_op_release(&look.op);
    return err ? err : more;
}

static int show_backlog(struct cold_mover *it)
{
    int64_t sealed_by_ms = clock_real_ms() - (int64_t)it->options.after_ms;
    struct store_cold_backlog backlog = {.sealed_by_ms = sealed_by_ms};
    int err = cold_run(it, &backlog.op, STORE_COLD_BACKLOG);
    int64_t lag_ms = backlog.ret_oldest_ms ? sealed_by_ms - backlog.ret_oldest_ms : 0;
    if (err)
        return err;
    metrics_set(it->options.metrics, METRIC_cold_waiting, (int64_t)backlog.ret_waiting);
    metrics_set(it->options.metrics, METRIC_cold_lag_seconds, lag_ms / 1000);
    return 0;
}

// --- Rounds

// 0: it is held here; ERR_HELD: another server holds it, or this one is none yet.
static int hold_lease(struct cold_mover *it)
{
    int64_t node = it->options.node(it->options.node_arg);
    if (node <= 0)
        return ERR_HELD;
    if (node == it->node)
        return 0;
    struct store_lease lease = {
        .lease_kind = LEASE_COLD, .subject = STORE_COLD_SUBJECT, .ask = {.cause = NODE_LEASE_CLAIM, .node = node}};
    int err = cold_run(it, &lease.op, STORE_LEASE);
    if (err == 0) {
        it->owns = false;
        it->node = node;
        it->epoch = lease.ret_lease.epoch;
    }
    return err == ERR_NODE_FENCED ? ERR_HELD : err;
}

static void tell_failure(struct cold_mover *it, int err)
{
    uint64_t left_out;
    if (atomic_load(&it->ends) || !log_limiter_pass(&it->failures, clock_mono_ms(), &left_out))
        return;
    log_warn(it->options.logger, "cold chunks cannot be moved for now; it is tried again",
             LOG_S("error", error_word(err)), LOG_S("reason", it->reason[0] ? it->reason : error_text(err)),
             LOG_I("left_out", (int64_t)left_out));
}

static uint64_t idle_ms(const struct cold_mover *it)
{
    uint64_t after_ms = it->options.after_ms ? it->options.after_ms : MOST_MS * SHARE;
    return MIN(MAX(after_ms / SHARE, (uint64_t)LEAST_MS), (uint64_t)MOST_MS);
}

static int own(struct cold_mover *it)
{
    int err = cold_own(it);
    it->owns = err == 0;
    return err;
}

// What there is to do, a piece of it. Returns 1 if there may be more, or an error.
static int work(struct cold_mover *it)
{
    bool owned = it->owns;
    int rc = owned ? 0 : own(it);
    if (rc == 0 && it->options.after_ms)
        rc = move_one(it);
    if (rc == 0 && it->options.after_ms)
        rc = show_backlog(it);
    if (rc == 0)
        rc = cold_tidy(it);
    if (rc == 0 && clock_mono_ms() >= it->sweep_from_ms) {
        rc = owned ? own(it) : 0; // else it was just asked
        if (rc == 0)
            rc = cold_sweep(it);
        it->sweep_from_ms = rc < 0 ? it->sweep_from_ms : clock_mono_ms() + SWEEP_MS;
    }
    return rc;
}

// Returns after how long to go on.
static uint64_t go_round(struct cold_mover *it)
{
    struct store_stats stats;
    if (store_stats(it->options.store, &stats) && stats.queue > QUEUE_SHORT)
        return BUSY_MS;
    it->reason[0] = 0;
    int rc = hold_lease(it);
    bool elsewhere = rc == ERR_HELD;
    if (rc == 0)
        rc = work(it);
    if (rc == ERR_FENCED || rc == ERR_NODE_FENCED) { // it stood still for so long
        it->node = 0;
        elsewhere = true;
    }
    if (rc >= 0) {
        backoff_reset(&it->backoff);
        return rc == 1 ? 1 : idle_ms(it);
    }
    it->cursor = (struct cold_cursor){0};
    if (elsewhere)
        return it->options.node(it->options.node_arg) <= 0 ? BUSY_MS : ELSEWHERE_MS;
    tell_failure(it, rc);
    if (it->options.after_ms)
        (void)show_backlog(it); // it grows
    if (rc == ERR_HELD || rc == ERR_STORE_FULL || rc == ERR_CONFLICT)
        return REFUSED_MS;
    return MAX(backoff_lost(&it->backoff, 0), (uint64_t)BUSY_MS);
}

static void waited(void *arg)
{
    struct cold_mover *it = arg;
    loop_stop(it->loop);
}

static void *mover_main(void *arg)
{
    struct cold_mover *it = arg;
    setpriority(PRIO_PROCESS, 0, NICE); // of this thread alone
    it->timer = timer_new(it->loop, waited, it);
    while (!atomic_load(&it->ends)) {
        timer_start(it->timer, go_round(it));
        while (!atomic_load(&it->ends) && timer_active(it->timer))
            loop_run(it->loop);
    }
    timer_free(&it->timer);
    return NULL;
}

int cold_mover_start(const struct cold_options *options, struct cold_mover **ret)
{
    struct cold_mover *it = xcalloc(1, sizeof(*it));
    it->options = *options;
    it->backoff.random = random_u64();
    int err = loop_new(&it->loop);
    if (err == 0 && pthread_create(&it->thread, NULL, mover_main, it) != 0) {
        loop_free(&it->loop);
        err = ERR_NOMEM;
    }
    if (err)
        free(it);
    else
        *ret = it;
    return err;
}

void cold_mover_free(struct cold_mover **mover)
{
    struct cold_mover *it = TAKE_PTR(*mover);
    if (!it)
        return;
    atomic_store(&it->ends, true);
    loop_stop(it->loop);
    pthread_join(it->thread, NULL);
    loop_free(&it->loop);
    free(it);
}
