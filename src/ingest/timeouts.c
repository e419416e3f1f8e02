#include "ingest/timeouts.h"

#include "util/clock.h"
#include "util/log.h"

#define LOOK_MS 1000
#define REASON  "nobody has answered in time" // fits into the news of the hub

struct timeouts {
    struct timeouts_options options;
    struct timer *timer; // NULL once it has stopped
    struct store_waits_due due;
    size_t under_way; // answers
    bool failing;     // said already
};

struct timeout {
    struct store_answer answer;
    struct timeouts *all;
};

static void look(void *arg);

static void look_in(struct timeouts *it, uint64_t ms)
{
    if (it->timer)
        timer_start(it->timer, ms);
}

static void tell_failure(struct timeouts *it, int err)
{
    if (err < 0 && !it->failing)
        log_warn(it->options.logger, "waits whose time has passed could not be ended; it is tried again",
                 LOG_S("error", error_word(err)));
    it->failing = err < 0;
}

// Somebody else may have ended it.
static bool is_over(int err)
{
    return err == ERR_BAD_TRANSITION || err == ERR_SEALED || err == ERR_EXPIRED || err == ERR_NOT_FOUND;
}

static void ended(struct store_op *op)
{
    struct timeout *timeout = CONTAINER_OF(op, struct timeout, answer.op);
    struct timeouts *it = timeout->all;
    const struct execution *execution = &timeout->answer.ret_execution;
    if (op->err == 0 && execution->sealed)
        hub_fenced(it->options.hub, timeout->answer.row);
    else if (op->err == 0 && execution->status == STATUS_TIMED_OUT)
        hub_cancel(it->options.hub, timeout->answer.row, REASON);
    if (it->timer)
        tell_failure(it, is_over(op->err) ? 0 : op->err);
    store_op_release(op);
    free(timeout);
    if (--it->under_way == 0)
        look_in(it, LOOK_MS);
}

static void end_wait(struct timeouts *it, int64_t row)
{
    struct timeout *timeout = xcalloc(1, sizeof(*timeout));
    timeout->all = it;
    timeout->answer = (struct store_answer){
        .op = {.kind = STORE_ANSWER, .reply_to = it->options.loop, .done = ended},
        .row = row,
        .unanswered = true,
    };
    store_submit(it->options.store, &timeout->answer.op);
}

static void found(struct store_op *op)
{
    struct timeouts *it = CONTAINER_OF(op, struct timeouts, due.op);
    size_t count = op->err ? 0 : it->due.ret_count;
    if (it->timer && op->err)
        tell_failure(it, op->err);
    it->under_way = it->timer ? count : 0;
    for (size_t i = 0; i < count && it->timer; i++)
        end_wait(it, it->due.ret_rows[i]);
    if (count == 0)
        look_in(it, LOOK_MS);
}

static void look(void *arg)
{
    struct timeouts *it = arg;
    it->due = (struct store_waits_due){
        .op = {.kind = STORE_WAITS_DUE, .reply_to = it->options.loop, .done = found},
        .now_ms = clock_real_ms(),
    };
    store_submit(it->options.store, &it->due.op);
}

struct timeouts *timeouts_new(const struct timeouts_options *options)
{
    struct timeouts *it = xcalloc(1, sizeof(*it));
    it->options = *options;
    return it;
}

void timeouts_free(struct timeouts **timeouts)
{
    free(TAKE_PTR(*timeouts));
}

void timeouts_start(struct timeouts *it)
{
    it->timer = timer_new(it->options.loop, look, it);
    look_in(it, 0);
}

void timeouts_stop(struct timeouts *it)
{
    timer_free(&it->timer);
}
