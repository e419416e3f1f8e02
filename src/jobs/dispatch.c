#include "jobs/dispatch_private.h"
#include "util/clock.h"

#define TICK_MS      1000
#define SETTLE_TICKS 60 // between two times that nobody asked for

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
    // For MESSAGE_CHANGES; `whole`: something may have been missed.
    bool ready, unsettled, whole;
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
    bool ready = false, unsettled = false, missed = false;
    for (size_t i = 0; i < count; i++) {
        over_count += is_over(&changes[i]);
        ready |= changes[i].ready || changes[i].missed;
        unsettled |= changes[i].unsettled && !changes[i].elsewhere; // that server settles it
        missed |= changes[i].missed;
    }
    if (over_count == 0 && !ready && !unsettled) // what was missed counts as ready
        return;
    struct message *message = message_new(dispatch, MESSAGE_CHANGES, NULL, over_count);
    message->ready = ready;
    message->unsettled = unsettled || missed;
    message->whole = missed;
    for (size_t i = 0; i < count; i++)
        if (is_over(&changes[i]))
            message->rows[message->count++] = changes[i].row;
    message_post(message);
}

void dispatch_nudge(struct dispatch *dispatch)
{
    struct message *message = message_new(dispatch, MESSAGE_CHANGES, NULL, 0);
    message->ready = true;
    message_post(message);
}

// --- Settling

// `whole`: see struct store_job_settle.
static void settle(struct dispatch *dispatch, bool whole);

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
        settle(dispatch, false);
}

static void settle(struct dispatch *dispatch, bool whole)
{
    dispatch->settle_again = dispatch->settle_busy;
    dispatch->settle_whole = dispatch->settle_whole || whole;
    if (dispatch->settle_busy || dispatch->stopping)
        return;
    dispatch->settle_busy = true;
    dispatch->settle = (struct store_job_settle){
        .op = {.kind = STORE_JOB_SETTLE, .reply_to = dispatch->options.loop, .done = settle_done},
        .whole = dispatch->settle_whole};
    dispatch->settle_whole = false;
    store_submit(dispatch->options.store, &dispatch->settle.op);
}

static void due(void *arg)
{
    settle(arg, false);
}

static void message_apply(struct dispatch *dispatch, const struct message *message)
{
    switch (message->kind) {
    case MESSAGE_CHANGES:
        for (size_t i = 0; i < message->count; i++)
            dispatch_over(dispatch, message->rows[i]);
        break;
    case MESSAGE_JOINED:
        dispatch_worker_joined(dispatch, message->session);
        dispatch_others_joined(dispatch);
        break;
    case MESSAGE_LEFT:
        dispatch_worker_left(dispatch, message->session);
        break;
    case MESSAGE_DRAIN:
        dispatch_worker_drains(dispatch, message->session);
        break;
    case MESSAGE_OPENED:
        dispatch_worker_opened(dispatch, message->session, message->rows[0]);
        break;
    case MESSAGE_COMPLETED:
        dispatch_worker_completed(dispatch, message->rows[0], message->epoch);
        break;
    case MESSAGE_RETURNED:
        dispatch_worker_returned(dispatch, message->session, message->execution_id, message->epoch, message->reason);
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
        settle(dispatch, message->whole);
    if (message->ready)
        dispatch_look(dispatch);
    dispatch_pump(dispatch);
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

// --- Life

// If a hint was lost, the job waits for one tick.
static void tick(void *arg)
{
    struct dispatch *dispatch = arg;
    pthread_mutex_lock(&dispatch->mutex);
    match_wake(&dispatch->match, clock_mono_ms());
    dispatch_others_tick(dispatch);
    dispatch_workers_look(dispatch);
    dispatch_roster_tick(dispatch);
    pthread_mutex_unlock(&dispatch->mutex);
    dispatch_look(dispatch);
    // Settling is a commit: without need it would keep the store from being idle.
    bool whole = dispatch->ticks++ % SETTLE_TICKS == 0;
    if (dispatch->settle_failed || whole)
        settle(dispatch, whole);
    dispatch_pump(dispatch);
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
    drains_init(&dispatch->drains);
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
        dispatch_worker_free(CONTAINER_OF(it, struct dispatch_worker, node));
    gifts_release(&dispatch->gifts);
    drains_release(&dispatch->drains);
    match_release(&dispatch->match);
    buf_release(&dispatch->lines_after);
    buf_release(&dispatch->roster_text);
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
    snprintf(ret->worker_id, sizeof(ret->worker_id), "%.*s", STR_ARGS(worker_key_id(rest.worker_id)));
    snprintf(ret->reason, sizeof(ret->reason), "%.*s", STR_ARGS(rest.reason));
}

void dispatch_why(struct dispatch *dispatch, int64_t account, int64_t row, const struct demand *demand,
                  struct demand_why *why, struct dispatch_why *ret)
{
    *ret = (struct dispatch_why){0};
    pthread_mutex_lock(&dispatch->mutex);
    match_why(&dispatch->match, account, demand, why);
    ret->account_full = match_account_full(&dispatch->match, account);
    why_rests(dispatch, row, ret);
    pthread_mutex_unlock(&dispatch->mutex);
}

void dispatch_running(struct dispatch *dispatch, struct tally *tally)
{
    pthread_mutex_lock(&dispatch->mutex);
    match_running(&dispatch->match, tally);
    pthread_mutex_unlock(&dispatch->mutex);
}

// Who may have more now, gets it at the next tick.
void dispatch_running_elsewhere(struct dispatch *dispatch, struct tally *elsewhere)
{
    pthread_mutex_lock(&dispatch->mutex);
    match_elsewhere(&dispatch->match, elsewhere);
    pthread_mutex_unlock(&dispatch->mutex);
}

struct of_account {
    int64_t account;
    void (*each)(void *arg, const struct dispatch_seen *seen);
    void *arg;
};

static void if_of_account(void *arg, const struct dispatch_seen *seen)
{
    const struct of_account *of = arg;
    int64_t account = worker_session_account(seen->session);
    if (account == 0 || account == of->account)
        of->each(of->arg, seen);
}

void dispatch_workers(struct dispatch *dispatch, int64_t account,
                      void (*each)(void *arg, const struct dispatch_seen *seen), void *arg)
{
    struct of_account of = {account, each, arg};
    pthread_mutex_lock(&dispatch->mutex);
    dispatch_workers_each(dispatch, if_of_account, &of);
    pthread_mutex_unlock(&dispatch->mutex);
}

bool dispatch_has_worker(struct dispatch *dispatch, int64_t account, struct str worker_id)
{
    char key[WORKER_KEY_MAX + 1];
    worker_key_make(account, worker_id, key);
    pthread_mutex_lock(&dispatch->mutex);
    bool has = dispatch_worker_of(dispatch, str_of(key)) != NULL;
    pthread_mutex_unlock(&dispatch->mutex);
    return has;
}

// --- Draining

static int drain(struct dispatch *dispatch, struct dispatch_worker *worker, bool on)
{
    struct str key = worker_session_key(worker->session);
    if (worker->drains && !on)
        return ERR_CONFLICT;
    drains_set(&dispatch->drains, worker_session_account(worker->session), worker_key_id(key), on);
    worker->drained = on;
    dispatch->roster_changed = true;
    worker_session_drain(worker->session, on);
    if (worker->known && on)
        match_drain(&dispatch->match, key);
    else if (worker->known)
        match_resume(&dispatch->match, key);
    return 0;
}

int dispatch_drain(struct dispatch *dispatch, int64_t account, struct str worker_id, bool on)
{
    char key[WORKER_KEY_MAX + 1];
    worker_key_make(account, worker_id, key);
    pthread_mutex_lock(&dispatch->mutex);
    struct dispatch_worker *worker = dispatch_worker_of(dispatch, str_of(key));
    int err = worker ? drain(dispatch, worker, on) : ERR_NOT_FOUND;
    pthread_mutex_unlock(&dispatch->mutex);
    if (err == 0 && !on)
        dispatch_nudge(dispatch);
    return err;
}

void dispatch_hold(struct dispatch *dispatch, bool on)
{
    pthread_mutex_lock(&dispatch->mutex);
    match_hold(&dispatch->match, on);
    pthread_mutex_unlock(&dispatch->mutex);
    if (!on)
        dispatch_nudge(dispatch);
}
