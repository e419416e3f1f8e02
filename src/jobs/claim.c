// From the first jobs of a line to a worker: reading the line, claiming, handing out.
#include "jobs/dispatch_private.h"
#include "jobs/secrets.h"

void dispatch_over(struct dispatch *dispatch, int64_t row)
{
    gifts_remove(&dispatch->gifts, row);
    match_over(&dispatch->match, row);
}

struct dispatch_worker *dispatch_worker_of(const struct dispatch *dispatch, struct str key)
{
    for (struct list_node *it = dispatch->workers.next; it != &dispatch->workers; it = it->next) {
        struct dispatch_worker *worker = CONTAINER_OF(it, struct dispatch_worker, node);
        if (str_eq(worker_session_key(worker->session), key))
            return worker;
    }
    return NULL;
}

// --- Which lines there are

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
    dispatch_pump(dispatch);
    if (more) {
        dispatch->lines.after_account = account;
        lines_submit(dispatch);
    } else if (dispatch->lines_again) {
        dispatch_look(dispatch);
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

void dispatch_look(struct dispatch *dispatch)
{
    dispatch->lines_again = dispatch->lines_busy;
    if (dispatch->lines_busy || dispatch->stopping)
        return;
    buf_reset(&dispatch->lines_after);
    dispatch->lines.after_account = 0;
    lines_submit(dispatch);
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
    dispatch_over(dispatch, it->give_back.row);
    pthread_mutex_unlock(&dispatch->mutex);
    if (op->err == 0)
        hub_sealed(dispatch->options.hub, it->give_back.row); // it has no lease any more
    store_op_release(op);
    free(it);
    dispatch_look(dispatch);
}

void dispatch_return_job(struct dispatch *dispatch, int64_t row, uint64_t epoch)
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

// --- Claiming

struct claim {
    struct store_job_claim claim;
    struct dispatch *dispatch;
    struct worker_session *session;
    int64_t account;
    struct buf demand;
    char token[DISPATCH_TOKEN_MAX + 1]; // of the run
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
    const struct dispatch_worker *worker = dispatch_worker_of(dispatch, worker_session_key(claim->session));
    if (!worker || worker->session != claim->session) {
        // Its connection has ended meanwhile, so it was never told.
        dispatch_return_job(dispatch, execution->row, execution->epoch);
        return;
    }
    gifts_add(&dispatch->gifts, execution->row, execution->epoch, execution->execution_id, claim->session);
    const struct worker_job job = {
        .execution_id = str_of(execution->execution_id),
        .token = str_of(claim->token),
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
        dispatch_return_job(claim->dispatch, execution->row, execution->epoch);
    claim_free(claim);
}

static void claim_give(struct claim *claim)
{
    const struct dispatch_options *options = &claim->dispatch->options;
    const struct execution *execution = &claim->claim.ret_execution;
    hub_claimed(options->hub, execution->row, claim->claim.node, execution->epoch);
    if (options->token)
        options->token(options->token_arg, execution, claim->token);
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
        .token = str_of(claim->token),
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
        dispatch_pump(dispatch);
}

static void claim(struct dispatch *dispatch, const struct match_action *action)
{
    struct dispatch_worker *worker = dispatch_worker_of(dispatch, action->worker_id);
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
        dispatch_pump(dispatch);
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

void dispatch_pump(struct dispatch *dispatch)
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
