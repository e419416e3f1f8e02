// The workers that are connected to this server, and what they have.
#include "jobs/dispatch_private.h"
#include "util/clock.h"

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
            dispatch_return_job(dispatch, given->row, given->epoch);
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
        dispatch_return_job(dispatch, job->row, job->epoch);
        return;
    }
    gifts_add(&dispatch->gifts, job->row, job->epoch, job->execution_id, str_of(said->id))->known = true;
    demand_parse(str_of(job->demand), &demand);
    match_held(&dispatch->match, str_of(said->id), job->account, job->row, &demand);
}

static void worker_known(struct dispatch *dispatch, const struct looking *it)
{
    struct dispatch_worker *worker = dispatch_worker_of(dispatch, str_of(worker_session_offer(it->session)->id));
    if (!worker || worker->session != it->session)
        return; // it has left, or is connected anew
    for (size_t i = 0; i < it->claimed.ret_count; i++)
        claimed_judge(dispatch, worker, &it->claimed.ret_jobs[i]);
    const struct worker_offer *said = worker_session_offer(it->session);
    struct offer offer = worker_offer_view(worker_session_offer(worker->session), &worker->words);
    worker->known = true;
    match_join(&dispatch->match, str_of(said->id), worker_session_account(it->session), &offer);
    if (worker->drains || worker->drained)
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
    dispatch_look(dispatch);
    dispatch_pump(dispatch);
}

// Of a worker that an earlier server has asked, the worker itself knows it.
static void take_wish(struct dispatch *dispatch, struct dispatch_worker *worker)
{
    const struct worker_offer *said = worker_session_offer(worker->session);
    int64_t account = worker_session_account(worker->session);
    worker->drained = drains_get(&dispatch->drains, account, str_of(said->id), said->drained);
    if (worker->drained || said->drained)
        drains_set(&dispatch->drains, account, str_of(said->id), worker->drained);
    if (worker->drained != said->drained)
        worker_session_drain(worker->session, worker->drained);
}

void dispatch_worker_joined(struct dispatch *dispatch, struct worker_session *session)
{
    struct dispatch_worker *worker = xcalloc(1, sizeof(*worker));
    const struct worker_offer *said = worker_session_offer(session);
    worker->session = worker_session_ref(session);
    list_push_front(&dispatch->workers, &worker->node);
    take_wish(dispatch, worker);
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

void dispatch_worker_free(struct dispatch_worker *worker)
{
    list_remove(&worker->node);
    worker_session_unref(&worker->session);
    for (size_t i = 0; i < worker->early_count; i++)
        free(worker->early[i].execution_id);
    free(worker->early);
    free(worker->words);
    free(worker);
}

void dispatch_worker_left(struct dispatch *dispatch, const struct worker_session *session)
{
    struct str worker_id = str_of(worker_session_offer(session)->id);
    LIST_FOR_EACH_SAFE(it, tmp, &dispatch->workers) {
        struct dispatch_worker *worker = CONTAINER_OF(it, struct dispatch_worker, node);
        if (worker->session == session)
            dispatch_worker_free(worker);
    }
    if (!dispatch_worker_of(dispatch, worker_id)) // otherwise it is connected again already
        match_leave(&dispatch->match, worker_id);
}

void dispatch_worker_opened(struct dispatch *dispatch, const struct worker_session *session, int64_t row)
{
    static const struct demand nothing = {.executor = STR("process")};
    struct given *given = gifts_find(&dispatch->gifts, row);
    if (given)
        given->known = true;
    match_held(&dispatch->match, str_of(worker_session_offer(session)->id), worker_session_account(session), row,
               &nothing);
}

void dispatch_worker_drains(struct dispatch *dispatch, const struct worker_session *session)
{
    struct str worker_id = str_of(worker_session_offer(session)->id);
    struct dispatch_worker *worker = dispatch_worker_of(dispatch, worker_id);
    if (!worker || worker->session != session)
        return;
    worker->drains = true;
    if (worker->known)
        match_drain(&dispatch->match, worker_id);
}

void dispatch_worker_completed(struct dispatch *dispatch, int64_t row, uint64_t epoch)
{
    const struct given *given = gifts_find(&dispatch->gifts, row);
    if (!given || given->epoch == epoch)
        dispatch_over(dispatch, row);
}

// What it has of an earlier server's is not known here yet. It names no more than it said that it holds.
static void keep_early(struct dispatch_worker *worker, const char *execution_id, uint64_t epoch)
{
    if (worker->early_count >= worker_session_offer(worker->session)->held_count)
        return;
    worker->early = xrealloc(worker->early, (worker->early_count + 1) * sizeof(*worker->early));
    worker->early[worker->early_count++] = (struct worker_held){xstrdup(execution_id), epoch};
}

void dispatch_worker_returned(struct dispatch *dispatch, const struct worker_session *session, const char *execution_id,
                              uint64_t epoch, const char *reason)
{
    const char *worker_id = worker_session_offer(session)->id;
    LIST_FOR_EACH_SAFE(it, tmp, &dispatch->gifts.all) {
        const struct given *given = CONTAINER_OF(it, struct given, link);
        if (given->epoch == epoch && strcmp(given->execution_id, execution_id) == 0 &&
            strcmp(given->worker_id, worker_id) == 0) {
            match_returned(&dispatch->match, str_of(worker_id), given->row, str_of(reason), clock_mono_ms());
            dispatch_return_job(dispatch, given->row, given->epoch);
        }
    }
    struct dispatch_worker *worker = dispatch_worker_of(dispatch, str_of(worker_id));
    if (worker && worker->session == session && !worker->known)
        keep_early(worker, execution_id, epoch);
}
