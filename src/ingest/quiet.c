#include "ingest/quiet.h"

#include "util/map.h"

#define LOOK_MS 1000

struct quiet_log { // that may end by being quiet
    struct map_node node;
    int64_t row; // key
    uint64_t pass;
    struct quiet_seen seen;
};

struct sealing {
    struct store_update update;
    struct quiet *all;
};

struct quiet {
    struct quiet_options options;
    struct timer *timer; // NULL once it has stopped
    struct map logs;
    uint64_t pass;
    struct store_quiet_look look;
    size_t under_way; // seals
    bool failing;     // said already
};

static void look_in(struct quiet *it, uint64_t ms)
{
    if (it->timer)
        timer_start(it->timer, ms);
}

static void tell_failure(struct quiet *it, int err)
{
    if (err < 0 && !it->failing && it->timer)
        log_warn(it->options.logger, "logs that are quiet could not be sealed; it is tried again",
                 LOG_S("error", error_word(err)));
    it->failing = err < 0;
}

static struct quiet_log *log_of(struct quiet *it, int64_t row)
{
    struct map_node *node = map_find(&it->logs, str_n((const char *)&row, sizeof(row)));
    if (node)
        return CONTAINER_OF(node, struct quiet_log, node);
    struct quiet_log *log = xcalloc(1, sizeof(*log));
    log->row = row;
    map_insert(&it->logs, &log->node, str_n((const char *)&log->row, sizeof(log->row)));
    return log;
}

static void forget(struct map_node *node, void *arg)
{
    struct quiet *it = arg;
    struct quiet_log *log = CONTAINER_OF(node, struct quiet_log, node);
    if (log->pass == it->pass)
        return;
    map_remove(&it->logs, node);
    free(log);
}

static void next_page(struct quiet *it);

// The pass is over when a page says so: what it has not met is sealed by now, or purged, or somebody runs it.
static void page_end(struct quiet *it)
{
    if (!it->timer)
        return;
    if (it->look.ret_last) {
        it->look.after = it->look.ret_last;
        next_page(it);
        return;
    }
    map_each(&it->logs, forget, it);
    it->look.after = 0;
    it->pass++;
    look_in(it, LOOK_MS);
}

// What came meanwhile, or somebody who told its end, begins the period anew; so does an account that is suspended.
static bool is_passing(int err)
{
    return err == ERR_CONFLICT || err == ERR_SUSPENDED || err == ERR_SEALED || err == ERR_BAD_TRANSITION ||
           err == ERR_EXPIRED || err == ERR_NOT_FOUND;
}

static void sealed(struct store_op *op)
{
    struct sealing *sealing = CONTAINER_OF(op, struct sealing, update.op);
    struct quiet *it = sealing->all;
    if (op->err == 0)
        metrics_add(it->options.metrics, 0, METRIC_quiet_seals_total, 1);
    if (op->err && it->timer)
        log_of(it, sealing->update.row)->seen = (struct quiet_seen){0};
    tell_failure(it, is_passing(op->err) ? 0 : op->err);
    store_op_release(op);
    free(sealing);
    if (--it->under_way == 0)
        page_end(it);
}

static void seal(struct quiet *it, const struct quiet_found *found)
{
    struct sealing *sealing = xcalloc(1, sizeof(*sealing));
    sealing->all = it;
    sealing->update = (struct store_update){
        .op = {.kind = STORE_UPDATE, .reply_to = it->options.loop, .done = sealed},
        .row = found->row,
        .has_outcome = true,
        .outcome = {.cause = OUTCOME_QUIET},
        .grace_ms = found->quiet_ms,
        .quiet = {.next = found->next, .status = found->status},
    };
    store_submit(it->options.store, &sealing->update.op);
}

static void looked(struct store_op *op)
{
    struct quiet *it = CONTAINER_OF(op, struct quiet, look.op);
    uint64_t now_ms = loop_now_ms(it->options.loop);
    if (op->err) {
        tell_failure(it, op->err);
        look_in(it, LOOK_MS);
        return;
    }
    it->under_way = 1; // until all are begun
    for (size_t i = 0; i < it->look.ret_count && it->timer; i++) {
        const struct quiet_found *found = &it->look.ret_found[i];
        struct quiet_log *log = log_of(it, found->row);
        log->pass = it->pass;
        if (!quiet_look(&log->seen, found->next, found->status, found->quiet_ms, now_ms))
            continue;
        if (found->to_fetch && it->options.fetch) {
            log->seen = (struct quiet_seen){0}; // what comes begins the period anew, and so does nothing
            it->options.fetch(it->options.fetch_arg, found);
            continue;
        }
        it->under_way++;
        seal(it, found);
    }
    if (--it->under_way == 0)
        page_end(it);
}

static void next_page(struct quiet *it)
{
    it->look.op =
        (struct store_op){.kind = STORE_QUIET_LOOK, .reply_to = it->options.loop, .done = looked, .scan = true};
    store_submit(it->options.store, &it->look.op);
}

static void look(void *arg)
{
    next_page(arg);
}

struct quiet *quiet_new(const struct quiet_options *options)
{
    struct quiet *it = xcalloc(1, sizeof(*it));
    it->options = *options;
    map_init(&it->logs);
    it->pass = 1;
    return it;
}

static void drop(struct map_node *node, void *arg)
{
    struct quiet *it = arg;
    map_remove(&it->logs, node);
    free(CONTAINER_OF(node, struct quiet_log, node));
}

void quiet_free(struct quiet **quiet)
{
    struct quiet *it = TAKE_PTR(*quiet);
    if (!it)
        return;
    map_each(&it->logs, drop, it);
    map_release(&it->logs);
    free(it);
}

void quiet_start(struct quiet *it)
{
    it->timer = timer_new(it->options.loop, look, it);
    look_in(it, LOOK_MS);
}

void quiet_stop(struct quiet *it)
{
    timer_free(&it->timer);
}
