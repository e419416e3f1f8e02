#include "ingest/fetches.h"

#include "loop/pool.h"
#include "util/backoff.h"
#include "util/clock.h"
#include "util/list.h"

#define PAGE_TIMEOUT_MS 30000
#define DONE_MS         10000 // so long it is remembered that all is here: some may still see it without the mark
#define IS_UNDER_WAY    "the log is being fetched from where it is kept; ask again in a moment"

enum fetch_state {
    FETCH_QUEUED,  // waits for a turn
    FETCH_ASKING,  // a request is under way
    FETCH_PAUSED,  // one has failed, and is made again when the timer fires
    FETCH_STORING, // what was gathered is on its way to the store
    FETCH_MARKING, // all is there; it is marked as fetched
    FETCH_ENDED    // what has become of it is remembered until the timer fires
};

struct fetch {
    struct map_node node;
    struct list_node turn; // while it is queued
    struct fetches *all;
    int64_t account, row; // row: key
    char execution_id[ID_EXECUTION_MAX + 1];
    enum fetch_state state;
    bool ended; // its execution, or its log is about to be closed: if there is nothing, nothing will come
    bool sure;  // it was so before the first page was asked for
    struct timer *timer, *patience; // patience: of those who wait
    struct fetch_wait *waits, **waits_end;
    uint64_t until_ms; // mono
    struct backoff backoff;
    struct job job;
    int page_err;
    struct buf token, error;
    struct late_delivery delivery; // what was gathered
    struct budget_lease held;
    uint64_t events; // that are stored
    struct store_update mark;
    bool done;
    int err; // of one that has ended, with `error`
};

struct fetches {
    struct fetches_options options;
    struct pool *pool;
    struct map logs;
    struct list_node turns;
    size_t active, queued;
    bool stopped;
    atomic_bool abort;
    struct log_limiter failures;
};

static struct str key_of(const int64_t *row)
{
    return str_n((const char *)row, sizeof(*row));
}

static void count_under_way(struct fetches *all)
{
    metrics_set(all->options.metrics, METRIC_source_fetches, (int64_t)(all->active + all->queued));
}

// --- Those who wait

static void tell(struct mail *mail)
{
    struct fetch_wait *wait = CONTAINER_OF(mail, struct fetch_wait, mail);
    wait->done(wait);
}

static void answer(struct fetch_wait *wait, int err, const char *reason)
{
    wait->err = err;
    snprintf(wait->ret_reason, sizeof(wait->ret_reason), "%s", reason);
    wait->mail.deliver = tell;
    loop_post(wait->reply_to, &wait->mail);
}

static void answer_all(struct fetch *it, int err, const char *reason)
{
    struct fetch_wait *wait = TAKE_PTR(it->waits);
    it->waits_end = &it->waits;
    timer_stop(it->patience);
    while (wait) {
        struct fetch_wait *next = wait->next;
        answer(wait, err, reason);
        wait = next;
    }
}

// A follower goes on as soon as there is something, or when it has waited for long enough; a page is wanted whole.
static void answer_some(struct fetch *it, uint64_t now_ms)
{
    struct fetch_wait *wait = TAKE_PTR(it->waits);
    it->waits_end = &it->waits;
    while (wait) {
        struct fetch_wait *next = wait->next;
        bool patient = wait->until_ms > now_ms;
        if (wait->live && (it->events > 0 || !patient)) {
            answer(wait, 0, "");
        } else if (!patient) {
            answer(wait, ERR_UNAVAILABLE, IS_UNDER_WAY);
        } else {
            wait->next = NULL;
            *it->waits_end = wait;
            it->waits_end = &wait->next;
        }
        wait = next;
    }
    if (it->waits) // the first one has come first
        timer_start(it->patience, it->waits->until_ms - now_ms);
}

static void out_of_patience(void *arg)
{
    struct fetch *it = arg;
    answer_some(it, loop_now_ms(it->all->options.loop));
}

// --- The end

static void give_turns(struct fetches *all);

static void fetch_free(struct fetch *it)
{
    map_remove(&it->all->logs, &it->node);
    timer_free(&it->timer);
    timer_free(&it->patience);
    late_delivery_release(&it->delivery);
    budget_lease_release(&it->held);
    buf_release(&it->token);
    buf_release(&it->error);
    free(it);
}

static void let_go(struct fetch *it)
{
    late_delivery_release(&it->delivery);
    budget_lease_release(&it->held);
    buf_release(&it->token);
}

static void end(struct fetch *it, int err)
{
    struct fetches *all = it->all;
    all->active--;
    it->state = FETCH_ENDED;
    it->err = err;
    let_go(it);
    if (all->stopped) {
        fetch_free(it);
        return;
    }
    metrics_add(all->options.metrics, 0, err ? METRIC_source_fetch_failures_total : METRIC_source_fetches_total, 1);
    answer_all(it, err, buf_cstr(&it->error));
    timer_start(it->timer, it->done ? DONE_MS : all->options.rest_ms);
    give_turns(all);
}

static void fail(struct fetch *it, const char *reason)
{
    struct fetches *all = it->all;
    CLEANUP(buf_release) struct buf text = {0};
    uint64_t left_out;
    buf_printf(&text, "the log cannot be fetched from where it is kept: %s", reason);
    buf_reset(&it->error);
    buf_append_str(&it->error, buf_str(&text));
    if (!all->stopped && log_limiter_pass(&all->failures, clock_mono_ms(), &left_out))
        log_warn(all->options.logger, "a log cannot be fetched from where it is kept",
                 LOG_S("execution_id", it->execution_id), LOG_S("reason", reason), LOG_I("left_out", left_out));
    end(it, ERR_UNAVAILABLE);
}

// --- The mark

static void marked(struct store_op *op)
{
    struct fetch *it = CONTAINER_OF(op, struct fetch, mark.op);
    int err = op->err;
    store_op_release(op);
    it->done = err == 0;
    if (err && err != ERR_EXPIRED && err != ERR_NOT_FOUND) // purged meanwhile
        fail(it, error_text(err));
    else
        end(it, 0);
}

static void mark(struct fetch *it)
{
    it->state = FETCH_MARKING;
    it->mark = (struct store_update){
        .op = {.kind = STORE_UPDATE, .reply_to = it->all->options.loop, .done = marked, .account = it->account},
        .row = it->row,
        .fetched = true,
    };
    store_submit(it->all->options.store, &it->mark.op);
}

// --- Pages

static void ask(struct fetch *it);

// It has ended since it was asked for: what it wrote meanwhile may be there by now.
static void ask_anew(struct fetch *it)
{
    it->sure = true;
    ask(it);
}

static void go_on(struct fetch *it)
{
    answer_some(it, loop_now_ms(it->all->options.loop));
    if (it->token.len)
        ask(it);
    else if (it->events > 0 || it->sure)
        mark(it);
    else if (it->ended)
        ask_anew(it);
    else
        end(it, 0);
}

static void stored(struct late_delivery *delivery)
{
    struct fetch *it = CONTAINER_OF(delivery, struct fetch, delivery);
    int err = delivery->err;
    size_t count = delivery->count;
    late_delivery_release(&it->delivery);
    budget_lease_release(&it->held);
    late_delivery_init(&it->delivery, late_message_max(it->all->options.late));
    if (it->all->stopped || err == ERR_SEALED || err == ERR_EXPIRED) { // then there is nothing to be had any more
        end(it, 0);
    } else if (err) {
        fail(it, error_text(err));
    } else {
        it->events += count;
        go_on(it);
    }
}

static void store(struct fetch *it)
{
    it->state = FETCH_STORING;
    it->delivery.account = it->account;
    it->delivery.row = it->row;
    it->delivery.reply_to = it->all->options.loop;
    it->delivery.done = stored;
    it->delivery.whole = true;
    late_deliver(it->all->options.late, &it->delivery);
}

static void count_held(struct fetch *it)
{
    CLEANUP(budget_account_unref) struct budget_account *account = budget_account(it->all->options.budget, it->account);
    budget_lease_charge(&it->held, account, BUDGET_intake, it->delivery.bytes);
}

static void ask_again(struct fetch *it)
{
    if (it->backoff.attempts >= FETCH_TRIES) {
        CLEANUP(free_ptr) char *reason = buf_take(&it->error);
        fail(it, reason);
        return;
    }
    it->state = FETCH_PAUSED;
    metrics_add(it->all->options.metrics, 0, METRIC_source_fetch_retries_total, 1);
    timer_start(it->timer, backoff_lost(&it->backoff, 0));
}

static void page_done(struct job *job)
{
    struct fetch *it = CONTAINER_OF(job, struct fetch, job);
    if (it->all->stopped) {
        end(it, ERR_SHUTTING_DOWN);
        return;
    }
    count_held(it);
    if (it->page_err == ERR_UNAVAILABLE) {
        ask_again(it);
        return;
    }
    if (it->page_err) {
        CLEANUP(free_ptr) char *reason = buf_take(&it->error);
        fail(it, reason);
        return;
    }
    it->backoff.attempts = 1;
    bool full = it->delivery.bytes >= FETCH_HOLD || it->token.len == 0;
    if (full && it->delivery.count > 0)
        store(it);
    else
        go_on(it);
}

static void page_work(struct job *job)
{
    struct fetch *it = CONTAINER_OF(job, struct fetch, job);
    const struct fetches_options *options = &it->all->options;
    uint64_t now_ms = clock_mono_ms();
    const struct fetch_page page = {
        .account = it->account,
        .execution_id = str_of(it->execution_id),
        .token = &it->token,
        .into = &it->delivery,
        .timeout_ms = MIN(it->until_ms - MIN(it->until_ms - 1, now_ms), (uint64_t)PAGE_TIMEOUT_MS),
        .abort = &it->all->abort,
        .ret_error = &it->error,
    };
    buf_reset(&it->error);
    it->page_err = options->port.page(options->port.arg, &page);
}

static void ask(struct fetch *it)
{
    struct fetches *all = it->all;
    if (clock_mono_ms() >= it->until_ms) {
        CLEANUP(free_ptr)
        char *reason = xasprintf("it takes longer than %llu s%s%s", (unsigned long long)all->options.total_ms / 1000,
                                 it->error.len ? "; " : "", buf_cstr(&it->error));
        fail(it, reason);
        return;
    }
    it->state = FETCH_ASKING;
    it->job = (struct job){.reply_to = all->options.loop, .account = it->account, .work = page_work, .done = page_done};
    metrics_add(all->options.metrics, 0, METRIC_source_fetch_requests_total, 1);
    int err = pool_submit(all->pool, &it->job);
    if (err)
        fail(it, error_text(err));
}

// --- Turns

static void begin(struct fetch *it)
{
    struct fetches *all = it->all;
    all->active++;
    it->until_ms = clock_mono_ms() + all->options.total_ms;
    it->backoff = (struct backoff){.attempts = 1, .random = random_u64()};
    it->events = 0;
    it->sure = it->ended;
    late_delivery_init(&it->delivery, late_message_max(all->options.late));
    ask(it);
}

static void give_turns(struct fetches *all)
{
    while (all->active < FETCHES_AT_ONCE && all->queued > 0) {
        struct fetch *it = CONTAINER_OF(all->turns.next, struct fetch, turn);
        list_remove(&it->turn);
        all->queued--;
        begin(it);
    }
    count_under_way(all);
}

static void queue(struct fetch *it)
{
    it->state = FETCH_QUEUED;
    buf_reset(&it->error);
    list_push_back(&it->all->turns, &it->turn);
    it->all->queued++;
    give_turns(it->all);
}

static void rung(void *arg)
{
    struct fetch *it = arg;
    if (it->state == FETCH_PAUSED)
        ask(it);
    else
        fetch_free(it);
}

// --- What is wanted

static struct fetch *find(struct fetches *all, int64_t row)
{
    struct map_node *node = map_find(&all->logs, key_of(&row));
    return node ? CONTAINER_OF(node, struct fetch, node) : NULL;
}

static struct fetch *fetch_new(struct fetches *all, int64_t account, int64_t row, const char *execution_id)
{
    struct fetch *it = xcalloc(1, sizeof(*it));
    it->all = all;
    it->account = account;
    it->row = row;
    it->waits_end = &it->waits;
    snprintf(it->execution_id, sizeof(it->execution_id), "%s", execution_id);
    it->timer = timer_new(all->options.loop, rung, it);
    it->patience = timer_new(all->options.loop, out_of_patience, it);
    map_insert(&all->logs, &it->node, key_of(&it->row));
    return it;
}

// What is remembered counts, unless there was nothing while the execution went on, and it has ended since.
static bool is_over(const struct fetch *it, bool ended)
{
    return it->state == FETCH_ENDED && (it->err || it->done || it->ended || !ended);
}

static void start(struct fetch *it, bool fresh, bool ended)
{
    bool again = !fresh && it->state == FETCH_ENDED;
    it->ended |= ended;
    if (again)
        timer_stop(it->timer);
    if (fresh || again)
        queue(it);
}

static void join(struct fetch *it, struct fetch_wait *wait)
{
    if (wait->live && it->state != FETCH_ENDED && it->events > 0) {
        answer(wait, 0, "");
        return;
    }
    *it->waits_end = wait;
    it->waits_end = &wait->next;
    if (!timer_active(it->patience))
        timer_start(it->patience, it->all->options.wait_ms);
}

static void came(struct mail *mail)
{
    struct fetch_wait *wait = CONTAINER_OF(mail, struct fetch_wait, mail);
    struct fetches *all = wait->fetches;
    struct fetch *it = find(all, wait->row);
    bool fresh = !it;
    wait->next = NULL;
    wait->until_ms = loop_now_ms(all->options.loop) + all->options.wait_ms;
    if (all->stopped) {
        answer(wait, ERR_SHUTTING_DOWN, error_text(ERR_SHUTTING_DOWN));
    } else if (it && is_over(it, wait->ended)) {
        answer(wait, it->err, buf_cstr(&it->error));
    } else if (fresh && all->active + all->queued >= FETCHES_MAX) {
        answer(wait, ERR_OVERLOADED, "too many logs are being fetched from where they are kept");
    } else {
        if (fresh)
            it = fetch_new(all, wait->account, wait->row, wait->execution_id);
        bool ended = wait->ended;
        join(it, wait);
        start(it, fresh, ended);
    }
}

void fetches_want(struct fetches *fetches, struct fetch_wait *wait)
{
    wait->fetches = fetches;
    wait->mail.deliver = came;
    loop_post(fetches->options.loop, &wait->mail);
}

void fetches_close(struct fetches *all, int64_t account, int64_t row, const char *execution_id)
{
    struct fetch *it = find(all, row);
    bool fresh = !it;
    if (all->stopped || !all->options.port.serves(all->options.port.arg, account) || (it && is_over(it, true)) ||
        (fresh && all->active + all->queued >= FETCHES_MAX))
        return;
    start(it ? it : fetch_new(all, account, row, execution_id), fresh, true);
}

bool fetches_serve(const struct fetches *fetches, int64_t account)
{
    return fetches && fetches->options.port.serves(fetches->options.port.arg, account);
}

// --- Life

int fetches_new(const struct fetches_options *options, struct fetches **ret)
{
    struct fetches *all = xcalloc(1, sizeof(*all));
    int err = pool_new(FETCHES_AT_ONCE, FETCHES_AT_ONCE, &all->pool);
    if (err) {
        free(all);
        return err;
    }
    all->options = *options;
    map_init(&all->logs);
    list_init(&all->turns);
    *ret = all;
    return 0;
}

static void stop_one(struct map_node *node, void *arg)
{
    struct fetch *it = CONTAINER_OF(node, struct fetch, node);
    (void)arg;
    answer_all(it, ERR_SHUTTING_DOWN, error_text(ERR_SHUTTING_DOWN));
    bool waits_for_an_answer =
        it->state == FETCH_ASKING || it->state == FETCH_STORING || it->state == FETCH_MARKING; // which ends it
    if (!waits_for_an_answer)
        fetch_free(it);
}

void fetches_stop(struct fetches *all)
{
    if (!all || all->stopped)
        return;
    all->stopped = true;
    atomic_store(&all->abort, true);
    map_each(&all->logs, stop_one, NULL);
}

void fetches_join(struct fetches *all)
{
    if (all)
        pool_free(&all->pool);
}

void fetches_free(struct fetches **fetches)
{
    struct fetches *all = TAKE_PTR(*fetches);
    if (!all)
        return;
    map_release(&all->logs);
    free(all);
}
