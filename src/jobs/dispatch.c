#include "jobs/dispatch.h"

#include "jobs/given.h"
#include "util/clock.h"

#include <pthread.h>

#define TICK_MS      1000
#define SETTLE_TICKS 60 // between two times that nobody asked for

// The connection of a worker. If the same worker has two, the newer one counts.
struct dispatch_worker {
    struct list_node node;
    struct worker_session *session;
    struct str *words; // of its offer
    bool known;        // the store has said what it has; only then it gets more
    bool drains;
    struct worker_held *early; // given back before the store has said what it has
    size_t early_count;
};

struct dispatch {
    struct dispatch_options options;
    pthread_mutex_t mutex; // protects match and workers: only the loop changes them, any thread may look at them
    struct match match;
    struct list_node workers; // of struct dispatch_worker, the newest first
    struct gifts gifts;
    struct store_job_lines lines;
    struct buf lines_after; // where the last page ended
    struct store_job_settle settle;
    struct timer *tick, *due;
    unsigned ticks;
    bool lines_busy, lines_again;   // lines_again: ask once more after the query that is under way
    bool settle_busy, settle_again; // the same for settling
    bool settle_failed;             // the next tick tries again
    bool stopping;
};

static void pump(struct dispatch *dispatch);
static void look(struct dispatch *dispatch);
static void settle(struct dispatch *dispatch);

// Call with the mutex.
static void over(struct dispatch *dispatch, int64_t row)
{
    gifts_remove(&dispatch->gifts, row);
    match_over(&dispatch->match, row);
}

// --- Messages to the loop

enum message_kind {
    MESSAGE_CHANGES,
    MESSAGE_JOINED,
    MESSAGE_LEFT,
    MESSAGE_DRAIN,
    MESSAGE_OPENED,
    MESSAGE_COMPLETED,
    MESSAGE_RETURNED
};

struct message {
    struct mail mail;
    struct dispatch *dispatch;
    enum message_kind kind;
    struct worker_session *session; // a reference; NULL for MESSAGE_CHANGES
    bool ready, unsettled;          // for MESSAGE_CHANGES
    char *execution_id, *reason;
    uint64_t epoch;
    size_t count;
    int64_t rows[];
};

static void message_deliver(struct mail *mail);

static struct message *message_new(struct dispatch *dispatch, enum message_kind kind, struct worker_session *session,
                                   size_t rows)
{
    struct message *message = xcalloc(1, sizeof(*message) + rows * sizeof(message->rows[0]));
    message->mail.deliver = message_deliver;
    message->dispatch = dispatch;
    message->kind = kind;
    message->session = session ? worker_session_ref(session) : NULL;
    return message;
}

static void message_post(struct message *message)
{
    loop_post(message->dispatch->options.loop, &message->mail);
}

// --- What the store says

// Whether the job has left its worker, or never had one. Of an attempt that another one follows nothing is settled any
// more, but a worker may have come back with it.
static bool is_over(const struct store_change *change)
{
    bool ended = change->purged || status_terminal(change->status) || change->status == STATUS_LOST;
    return change->sealed || (change->unsettled && ended);
}

void dispatch_watch(struct dispatch *dispatch, const struct store_change *changes, size_t count)
{
    size_t over_count = 0;
    bool ready = false, unsettled = false;
    for (size_t i = 0; i < count; i++) {
        over_count += is_over(&changes[i]);
        ready |= changes[i].ready;
        unsettled |= changes[i].unsettled;
    }
    if (over_count == 0 && !ready && !unsettled)
        return;
    struct message *message = message_new(dispatch, MESSAGE_CHANGES, NULL, over_count);
    message->ready = ready;
    message->unsettled = unsettled;
    for (size_t i = 0; i < count; i++)
        if (is_over(&changes[i]))
            message->rows[message->count++] = changes[i].row;
    message_post(message);
}

// Asks which lines there are, a page at a time.
static void lines_submit(struct dispatch *dispatch);

static bool lines_take(struct dispatch *dispatch, const struct store_job_lines *lines)
{
    pthread_mutex_lock(&dispatch->mutex);
    for (size_t i = 0; i < lines->ret_count; i++)
        match_hint(&dispatch->match, lines->ret_lines[i].account, str_of(lines->ret_lines[i].demand));
    pthread_mutex_unlock(&dispatch->mutex);
    return lines->ret_count == JOB_LINES_MAX;
}

static void lines_done(struct store_op *op)
{
    struct dispatch *dispatch = CONTAINER_OF(op, struct dispatch, lines.op);
    bool more = op->err == 0 && lines_take(dispatch, &dispatch->lines) && !dispatch->stopping;
    int64_t account = 0;
    if (more) {
        const struct job_line *last = &dispatch->lines.ret_lines[dispatch->lines.ret_count - 1];
        account = last->account;
        buf_reset(&dispatch->lines_after);
        buf_append_text(&dispatch->lines_after, last->demand);
    }
    store_op_release(op);
    dispatch->lines_busy = false;
    pump(dispatch);
    if (more) {
        dispatch->lines.after_account = account;
        lines_submit(dispatch);
    } else if (dispatch->lines_again) {
        look(dispatch);
    }
}

static void lines_submit(struct dispatch *dispatch)
{
    int64_t account = dispatch->lines.after_account;
    dispatch->lines_busy = true;
    dispatch->lines = (struct store_job_lines){
        .op = {.kind = STORE_JOB_LINES, .reply_to = dispatch->options.loop, .done = lines_done},
        .after_account = account,
        .after_demand = buf_str(&dispatch->lines_after),
    };
    store_submit(dispatch->options.store, &dispatch->lines.op);
}

static void look(struct dispatch *dispatch)
{
    dispatch->lines_again = dispatch->lines_busy;
    if (dispatch->lines_busy || dispatch->stopping)
        return;
    buf_reset(&dispatch->lines_after);
    dispatch->lines.after_account = 0;
    lines_submit(dispatch);
}

// --- Settling

static void settle_done(struct store_op *op)
{
    struct dispatch *dispatch = CONTAINER_OF(op, struct dispatch, settle.op);
    bool more = op->err == 0 && dispatch->settle.ret_settled > 0;
    int64_t due_ms = op->err == 0 ? dispatch->settle.ret_next_due_ms : 0;

    dispatch->settle_busy = false;
    dispatch->settle_failed = op->err != 0;
    if (op->err && op->err != ERR_SHUTTING_DOWN)
        log_warn(dispatch->options.logger, "what follows from ended jobs could not be stored; it is tried again",
                 LOG_S("error", error_word(op->err)));
    store_op_release(op);
    if (due_ms > 0 && !dispatch->stopping)
        timer_start(dispatch->due, (uint64_t)MAX(due_ms - clock_real_ms(), (int64_t)0));
    if (more || dispatch->settle_again)
        settle(dispatch);
}

static void settle(struct dispatch *dispatch)
{
    dispatch->settle_again = dispatch->settle_busy;
    if (dispatch->settle_busy || dispatch->stopping)
        return;
    dispatch->settle_busy = true;
    dispatch->settle = (struct store_job_settle){
        .op = {.kind = STORE_JOB_SETTLE, .reply_to = dispatch->options.loop, .done = settle_done}};
    store_submit(dispatch->options.store, &dispatch->settle.op);
}

static void due(void *arg)
{
    settle(arg);
}

// --- Given back

struct giving_back {
    struct store_job_return give_back;
    struct dispatch *dispatch;
};

static void return_done(struct store_op *op)
{
    struct giving_back *it = CONTAINER_OF(op, struct giving_back, give_back.op);
    struct dispatch *dispatch = it->dispatch;
    // If that could not be stored, its lease runs out, and its retry rule decides.
    pthread_mutex_lock(&dispatch->mutex);
    over(dispatch, it->give_back.row);
    pthread_mutex_unlock(&dispatch->mutex);
    if (op->err == 0)
        hub_sealed(dispatch->options.hub, it->give_back.row); // it has no lease any more
    store_op_release(op);
    free(it);
    look(dispatch);
}

static void return_job(struct dispatch *dispatch, int64_t row, uint64_t epoch)
{
    struct giving_back *it = xcalloc(1, sizeof(*it));
    it->dispatch = dispatch;
    it->give_back = (struct store_job_return){
        .op = {.kind = STORE_JOB_RETURN, .reply_to = dispatch->options.loop, .done = return_done},
        .row = row,
        .epoch = epoch,
    };
    store_submit(dispatch->options.store, &it->give_back.op);
}

// --- Workers

static struct dispatch_worker *worker_of(const struct dispatch *dispatch, struct str worker_id)
{
    for (struct list_node *it = dispatch->workers.next; it != &dispatch->workers; it = it->next) {
        struct dispatch_worker *worker = CONTAINER_OF(it, struct dispatch_worker, node);
        if (str_eq(str_of(worker_session_offer(worker->session)->id), worker_id))
            return worker;
    }
    return NULL;
}

static bool is_among(const struct worker_held *held, size_t count, const char *execution_id, uint64_t epoch)
{
    for (size_t i = 0; i < count; i++)
        if (held[i].epoch == epoch && strcmp(held[i].execution_id, execution_id) == 0)
            return true;
    return false;
}

static bool holds(const struct worker_offer *offer, const char *execution_id, uint64_t epoch)
{
    return is_among(offer->held, offer->held_count, execution_id, epoch);
}

// A job was on its way to the worker when the connection broke, and has never arrived. It is given to another worker.
static void take_back_lost_gifts(struct dispatch *dispatch, const struct worker_offer *offer)
{
    LIST_FOR_EACH_SAFE(it, tmp, &dispatch->gifts.all) {
        struct given *given = CONTAINER_OF(it, struct given, link);
        if (strcmp(given->worker_id, offer->id) == 0 && !given->known &&
            !holds(offer, given->execution_id, given->epoch))
            return_job(dispatch, given->row, given->epoch);
    }
}

// What the store says that a worker has: so that it gets no more than it has room for, and that what never reached it,
// because this server began anew meanwhile, is given out again.
struct looking {
    struct store_jobs_claimed claimed;
    struct dispatch *dispatch;
    struct worker_session *session;
};

// With the mutex.
static void claimed_judge(struct dispatch *dispatch, const struct dispatch_worker *worker,
                          const struct job_claimed *job)
{
    const struct worker_offer *said = worker_session_offer(worker->session);
    bool has = holds(said, job->execution_id, job->epoch) &&
               !is_among(worker->early, worker->early_count, job->execution_id, job->epoch);
    struct demand demand = {.executor = STR("process")};
    if (match_has(&dispatch->match, job->row))
        return; // given here
    if (!has && !job->has_records) {
        return_job(dispatch, job->row, job->epoch);
        return;
    }
    gifts_add(&dispatch->gifts, job->row, job->epoch, job->execution_id, str_of(said->id))->known = true;
    demand_parse(str_of(job->demand), &demand);
    match_held(&dispatch->match, str_of(said->id), job->account, job->row, &demand);
}

static void worker_known(struct dispatch *dispatch, const struct looking *it)
{
    struct dispatch_worker *worker = worker_of(dispatch, str_of(worker_session_offer(it->session)->id));
    if (!worker || worker->session != it->session)
        return; // it has left, or is connected anew
    for (size_t i = 0; i < it->claimed.ret_count; i++)
        claimed_judge(dispatch, worker, &it->claimed.ret_jobs[i]);
    const struct worker_offer *said = worker_session_offer(it->session);
    struct offer offer = worker_offer_view(worker_session_offer(worker->session), &worker->words);
    worker->known = true;
    match_join(&dispatch->match, str_of(said->id), worker_session_account(it->session), &offer);
    if (worker->drains)
        match_drain(&dispatch->match, str_of(said->id));
}

static void looking_done(struct store_op *op)
{
    struct looking *it = CONTAINER_OF(op, struct looking, claimed.op);
    struct dispatch *dispatch = it->dispatch;
    pthread_mutex_lock(&dispatch->mutex);
    worker_known(dispatch, it);
    pthread_mutex_unlock(&dispatch->mutex);
    store_op_release(op);
    worker_session_unref(&it->session);
    free(it);
    look(dispatch);
    pump(dispatch);
}

static void worker_joined(struct dispatch *dispatch, struct worker_session *session)
{
    struct dispatch_worker *worker = xcalloc(1, sizeof(*worker));
    const struct worker_offer *said = worker_session_offer(session);
    worker->session = worker_session_ref(session);
    list_push_front(&dispatch->workers, &worker->node);
    take_back_lost_gifts(dispatch, said);
    struct looking *it = xcalloc(1, sizeof(*it));
    it->dispatch = dispatch;
    it->session = worker_session_ref(session);
    it->claimed = (struct store_jobs_claimed){
        .op = {.kind = STORE_JOBS_CLAIMED, .reply_to = dispatch->options.loop, .done = looking_done},
        .node = hub_node(dispatch->options.hub),
        .account = worker_session_account(session),
        .worker_id = str_of(said->id),
    };
    store_submit(dispatch->options.store, &it->claimed.op);
}

static void worker_free(struct dispatch_worker *worker)
{
    list_remove(&worker->node);
    worker_session_unref(&worker->session);
    for (size_t i = 0; i < worker->early_count; i++)
        free(worker->early[i].execution_id);
    free(worker->early);
    free(worker->words);
    free(worker);
}

static void worker_left(struct dispatch *dispatch, const struct worker_session *session)
{
    struct str worker_id = str_of(worker_session_offer(session)->id);
    LIST_FOR_EACH_SAFE(it, tmp, &dispatch->workers) {
        struct dispatch_worker *worker = CONTAINER_OF(it, struct dispatch_worker, node);
        if (worker->session == session)
            worker_free(worker);
    }
    if (!worker_of(dispatch, worker_id)) // otherwise it is connected again already
        match_leave(&dispatch->match, worker_id);
}

// The worker has the job, perhaps from an earlier connection.
static void worker_opened(struct dispatch *dispatch, const struct worker_session *session, int64_t row)
{
    static const struct demand nothing = {.executor = STR("process")};
    struct given *given = gifts_find(&dispatch->gifts, row);
    if (given)
        given->known = true;
    match_held(&dispatch->match, str_of(worker_session_offer(session)->id), worker_session_account(session), row,
               &nothing);
}

static void worker_drains(struct dispatch *dispatch, const struct worker_session *session)
{
    struct str worker_id = str_of(worker_session_offer(session)->id);
    struct dispatch_worker *worker = worker_of(dispatch, worker_id);
    if (!worker || worker->session != session)
        return;
    worker->drains = true;
    if (worker->known)
        match_drain(&dispatch->match, worker_id);
}

// It has ended. The change that says so may have come before the worker opened its stream.
static void worker_completed(struct dispatch *dispatch, int64_t row, uint64_t epoch)
{
    const struct given *given = gifts_find(&dispatch->gifts, row);
    if (!given || given->epoch == epoch)
        over(dispatch, row);
}

// What it has of an earlier server's is not known here yet. It names no more than it said that it holds.
static void keep_early(struct dispatch_worker *worker, const struct message *message)
{
    if (worker->early_count >= worker_session_offer(worker->session)->held_count)
        return;
    worker->early = xrealloc(worker->early, (worker->early_count + 1) * sizeof(*worker->early));
    worker->early[worker->early_count++] = (struct worker_held){xstrdup(message->execution_id), message->epoch};
}

static void worker_returned(struct dispatch *dispatch, const struct message *message)
{
    const char *worker_id = worker_session_offer(message->session)->id;
    LIST_FOR_EACH_SAFE(it, tmp, &dispatch->gifts.all) {
        const struct given *given = CONTAINER_OF(it, struct given, link);
        if (given->epoch == message->epoch && strcmp(given->execution_id, message->execution_id) == 0 &&
            strcmp(given->worker_id, worker_id) == 0) {
            match_returned(&dispatch->match, str_of(worker_id), given->row, str_of(message->reason), clock_mono_ms());
            return_job(dispatch, given->row, given->epoch);
        }
    }
    struct dispatch_worker *worker = worker_of(dispatch, str_of(worker_id));
    if (worker && worker->session == message->session && !worker->known)
        keep_early(worker, message);
}

static void message_apply(struct dispatch *dispatch, const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_CHANGES:
        for (size_t i = 0; i < message->count; i++)
            over(dispatch, message->rows[i]);
        break;
    case MESSAGE_JOINED:
        worker_joined(dispatch, message->session);
        break;
    case MESSAGE_LEFT:
        worker_left(dispatch, message->session);
        break;
    case MESSAGE_DRAIN:
        worker_drains(dispatch, message->session);
        break;
    case MESSAGE_OPENED:
        worker_opened(dispatch, message->session, message->rows[0]);
        break;
    case MESSAGE_COMPLETED:
        worker_completed(dispatch, message->rows[0], message->epoch);
        break;
    case MESSAGE_RETURNED:
        worker_returned(dispatch, message);
        break;
    }
}

static void message_deliver(struct mail *mail)
{
    struct message *message = CONTAINER_OF(mail, struct message, mail);
    struct dispatch *dispatch = message->dispatch;

    pthread_mutex_lock(&dispatch->mutex);
    message_apply(dispatch, message);
    pthread_mutex_unlock(&dispatch->mutex);
    if (message->unsettled)
        settle(dispatch);
    if (message->ready)
        look(dispatch);
    pump(dispatch);
    worker_session_unref(&message->session);
    free(message->execution_id);
    free(message->reason);
    free(message);
}

// --- What workers' sockets say

static void tell(void *arg, enum message_kind kind, struct worker_session *session)
{
    message_post(message_new(arg, kind, session, 0));
}

static void on_joined(void *arg, struct worker_session *session)
{
    tell(arg, MESSAGE_JOINED, session);
}

static void on_heartbeat(void *arg, struct worker_session *session, uint32_t slots_free)
{
    (void)arg;
    (void)session;
    (void)slots_free;
}

static void on_drains(void *arg, struct worker_session *session)
{
    tell(arg, MESSAGE_DRAIN, session);
}

static void on_returned(void *arg, struct worker_session *session, struct str execution_id, uint64_t epoch,
                        struct str reason)
{
    struct dispatch *dispatch = arg;
    struct message *message = message_new(dispatch, MESSAGE_RETURNED, session, 0);
    log_info(dispatch->options.logger, "a worker gave a job back", LOG_STR("execution_id", execution_id),
             LOG_STR("reason", reason));
    message->execution_id = xstrndup(execution_id.data, execution_id.len);
    message->reason = xstrndup(reason.data, reason.len);
    message->epoch = epoch;
    message_post(message);
}

static void tell_of_stream(void *arg, enum message_kind kind, struct worker_session *session, int64_t row,
                           uint64_t epoch)
{
    struct message *message = message_new(arg, kind, session, 1);
    message->rows[0] = row;
    message->epoch = epoch;
    message_post(message);
}

static void on_stream_opened(void *arg, struct worker_session *session, int64_t row, uint64_t epoch)
{
    tell_of_stream(arg, MESSAGE_OPENED, session, row, epoch);
}

static void on_stream_ended(void *arg, struct worker_session *session, int64_t row, uint64_t epoch, int err)
{
    if (err == 0) // else the worker still has it
        tell_of_stream(arg, MESSAGE_COMPLETED, session, row, epoch);
}

static void on_left(void *arg, struct worker_session *session)
{
    tell(arg, MESSAGE_LEFT, session);
}

const struct worker_listener dispatch_listener = {
    .joined = on_joined,
    .heartbeat = on_heartbeat,
    .drains = on_drains,
    .returned = on_returned,
    .stream_opened = on_stream_opened,
    .stream_ended = on_stream_ended,
    .left = on_left,
};

// --- Claiming

struct claim {
    struct store_job_claim claim;
    struct dispatch *dispatch;
    struct worker_session *session;
    int64_t account;
    struct buf demand;
};

static void claim_failed(struct claim *claim, int err)
{
    struct dispatch *dispatch = claim->dispatch;
    pthread_mutex_lock(&dispatch->mutex);
    match_over(&dispatch->match, claim->claim.row);
    // Another server has it, or it was cancelled: then it is not ready. Otherwise it still is, and the tick asks again.
    if (err != ERR_CONFLICT && err != ERR_NOT_FOUND)
        match_hint(&dispatch->match, claim->account, buf_str(&claim->demand));
    pthread_mutex_unlock(&dispatch->mutex);
}

static void claim_free(struct claim *claim)
{
    store_op_release(&claim->claim.op);
    worker_session_unref(&claim->session);
    buf_release(&claim->demand);
    free(claim);
}

static void claim_send(const struct claim *claim, struct str secrets, struct str refusal)
{
    struct dispatch *dispatch = claim->dispatch;
    const struct execution *execution = &claim->claim.ret_execution;
    const struct dispatch_worker *worker = worker_of(dispatch, str_of(worker_session_offer(claim->session)->id));
    if (!worker || worker->session != claim->session) {
        // Its connection has ended meanwhile, so it was never told.
        return_job(dispatch, execution->row, execution->epoch);
        return;
    }
    gifts_add(&dispatch->gifts, execution->row, execution->epoch, execution->execution_id,
              str_of(worker_session_offer(claim->session)->id));
    char token[DISPATCH_TOKEN_MAX + 1] = "";
    if (dispatch->options.token)
        dispatch->options.token(dispatch->options.token_arg, execution, token);
    const struct worker_job job = {
        .execution_id = str_of(execution->execution_id),
        .token = str_of(token),
        .batch_id = str_of(execution->batch_id),
        .epoch = execution->epoch,
        .attempt = execution->job.attempt,
        .retry_on_lost = claim->claim.ret_retry_on_lost,
        .spec = str_of(execution->spec_json),
        .secrets = refusal.len > 0 ? (struct str){0} : secrets,
        .refusal = refusal,
    };
    worker_session_job(claim->session, &job);
}

static void claim_secrets(void *arg, int err, struct str values, struct str refusal)
{
    struct claim *claim = arg;
    const struct execution *execution = &claim->claim.ret_execution;
    if (err == 0)
        claim_send(claim, values, refusal);
    else if (err != ERR_SHUTTING_DOWN) // it is given out again, when the store can be asked
        return_job(claim->dispatch, execution->row, execution->epoch);
    claim_free(claim);
}

static void claim_give(struct claim *claim)
{
    const struct dispatch_options *options = &claim->dispatch->options;
    const struct execution *execution = &claim->claim.ret_execution;
    hub_claimed(options->hub, execution->row, claim->claim.node, execution->epoch);
    if (!execution->job.secrets) {
        claim_send(claim, (struct str){0}, (struct str){0});
        claim_free(claim);
        return;
    }
    secrets_fetch(&(struct secrets_ask){
        .loop = options->loop,
        .store = options->store,
        .opener = options->secrets,
        .account = execution->account,
        .uses = execution->job.secrets,
        .done = claim_secrets,
        .arg = claim,
    });
}

static void claim_done(struct store_op *op)
{
    struct claim *claim = CONTAINER_OF(op, struct claim, claim.op);
    struct dispatch *dispatch = claim->dispatch;
    int err = op->err;
    if (err) {
        claim_failed(claim, err);
        claim_free(claim);
    } else {
        claim_give(claim);
    }
    if (err == 0 || err == ERR_CONFLICT)
        pump(dispatch);
}

static void claim(struct dispatch *dispatch, const struct match_action *action)
{
    struct dispatch_worker *worker = worker_of(dispatch, action->worker_id);
    const struct worker_offer *offer = worker_session_offer(worker->session);
    struct claim *it = xcalloc(1, sizeof(*it));
    it->dispatch = dispatch;
    it->session = worker_session_ref(worker->session);
    it->account = action->account;
    buf_append_str(&it->demand, action->demand);
    it->claim = (struct store_job_claim){
        .op = {.kind = STORE_JOB_CLAIM,
               .reply_to = dispatch->options.loop,
               .done = claim_done,
               .account = action->account},
        .row = action->row,
        .node = hub_node(dispatch->options.hub),
        .worker_id = str_of(offer->id),
        .worker_hostname = str_of(offer->hostname),
    };
    store_submit(dispatch->options.store, &it->claim.op);
}

// --- Reading a line

struct window {
    struct store_jobs_ready ready;
    struct dispatch *dispatch;
    struct buf demand;
};

static void window_done(struct store_op *op)
{
    struct window *it = CONTAINER_OF(op, struct window, ready.op);
    struct dispatch *dispatch = it->dispatch;
    struct match_job jobs[JOBS_READY_MAX];
    size_t count = op->err ? 0 : it->ready.ret_count;
    for (size_t i = 0; i < count; i++)
        jobs[i] =
            (struct match_job){it->ready.ret_jobs[i].row, it->ready.ret_jobs[i].turn, it->ready.ret_jobs[i].priority};
    pthread_mutex_lock(&dispatch->mutex);
    if (op->err)
        match_read_failed(&dispatch->match, it->ready.account, buf_str(&it->demand));
    else
        match_window(&dispatch->match, it->ready.account, buf_str(&it->demand), jobs, count, count < MATCH_WINDOW);
    pthread_mutex_unlock(&dispatch->mutex);
    if (op->err == 0) // otherwise the tick asks again
        pump(dispatch);
    store_op_release(op);
    buf_release(&it->demand);
    free(it);
}

static void read_line(struct dispatch *dispatch, const struct match_action *action)
{
    struct window *it = xcalloc(1, sizeof(*it));
    it->dispatch = dispatch;
    buf_append_str(&it->demand, action->demand);
    it->ready = (struct store_jobs_ready){
        .op = {.kind = STORE_JOBS_READY, .reply_to = dispatch->options.loop, .done = window_done},
        .account = action->account,
        .demand = buf_str(&it->demand),
        .limit = MATCH_WINDOW,
    };
    store_submit(dispatch->options.store, &it->ready.op);
}

static void pump(struct dispatch *dispatch)
{
    struct match_action action;
    pthread_mutex_lock(&dispatch->mutex);
    while (!dispatch->stopping && match_next(&dispatch->match, &action) != MATCH_WAIT) {
        if (action.kind == MATCH_READ)
            read_line(dispatch, &action);
        else
            claim(dispatch, &action);
    }
    pthread_mutex_unlock(&dispatch->mutex);
}

// --- Life

// If a hint was lost, the job waits for one tick.
static void tick(void *arg)
{
    struct dispatch *dispatch = arg;
    pthread_mutex_lock(&dispatch->mutex);
    match_wake(&dispatch->match, clock_mono_ms());
    pthread_mutex_unlock(&dispatch->mutex);
    look(dispatch);
    // Settling is a commit: without need it would keep the store from being idle.
    if (dispatch->settle_failed || dispatch->ticks++ % SETTLE_TICKS == 0)
        settle(dispatch);
    pump(dispatch);
    timer_start(dispatch->tick, TICK_MS);
}

struct dispatch *dispatch_new(const struct dispatch_options *options)
{
    struct dispatch *dispatch = xcalloc(1, sizeof(*dispatch));
    dispatch->options = *options;
    pthread_mutex_init(&dispatch->mutex, NULL);
    match_init(&dispatch->match, options->running_max);
    list_init(&dispatch->workers);
    gifts_init(&dispatch->gifts);
    return dispatch;
}

void dispatch_start(struct dispatch *dispatch)
{
    dispatch->tick = timer_new(dispatch->options.loop, tick, dispatch);
    dispatch->due = timer_new(dispatch->options.loop, due, dispatch);
    tick(dispatch);
}

void dispatch_stop(struct dispatch *dispatch)
{
    dispatch->stopping = true;
    timer_free(&dispatch->tick);
    timer_free(&dispatch->due);
}

void dispatch_free(struct dispatch **dispatch_ptr)
{
    struct dispatch *dispatch = TAKE_PTR(*dispatch_ptr);
    if (!dispatch)
        return;
    LIST_FOR_EACH_SAFE(it, tmp, &dispatch->workers)
        worker_free(CONTAINER_OF(it, struct dispatch_worker, node));
    gifts_release(&dispatch->gifts);
    match_release(&dispatch->match);
    buf_release(&dispatch->lines_after);
    pthread_mutex_destroy(&dispatch->mutex);
    free(dispatch);
}

// --- Looking

static void why_rests(const struct dispatch *dispatch, int64_t row, struct dispatch_why *ret)
{
    struct match_rest rest;
    uint64_t now_ms = clock_mono_ms();
    if (!match_rests(&dispatch->match, row, &rest))
        return;
    ret->rests = true;
    ret->rests_ms = rest.until_ms > now_ms ? rest.until_ms - now_ms : 0;
    snprintf(ret->worker_id, sizeof(ret->worker_id), "%.*s", STR_ARGS(rest.worker_id));
    snprintf(ret->reason, sizeof(ret->reason), "%.*s", STR_ARGS(rest.reason));
}

void dispatch_why(struct dispatch *dispatch, int64_t account, int64_t row, const struct demand *demand,
                  struct dispatch_why *ret)
{
    struct str label;
    *ret = (struct dispatch_why){0};
    pthread_mutex_lock(&dispatch->mutex);
    ret->fit = match_why(&dispatch->match, account, demand, &label);
    ret->account_full = match_account_full(&dispatch->match, account);
    snprintf(ret->label, sizeof(ret->label), "%.*s", STR_ARGS(label));
    why_rests(dispatch, row, ret);
    pthread_mutex_unlock(&dispatch->mutex);
}

void dispatch_workers(struct dispatch *dispatch, int64_t account,
                      void (*each)(void *arg, const struct worker_session *session, const struct offer *offer),
                      void *arg)
{
    pthread_mutex_lock(&dispatch->mutex);
    for (struct list_node *it = dispatch->workers.next; it != &dispatch->workers; it = it->next) {
        const struct dispatch_worker *worker = CONTAINER_OF(it, struct dispatch_worker, node);
        const struct worker_session *session = worker->session;
        struct str id = str_of(worker_session_offer(session)->id);
        const struct offer *offer = match_offer(&dispatch->match, id);
        bool takes = worker_session_account(session) == 0 || worker_session_account(session) == account;
        if (offer && takes && worker_of(dispatch, id) == worker)
            each(arg, session, offer);
    }
    pthread_mutex_unlock(&dispatch->mutex);
}
