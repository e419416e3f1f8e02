// The workers that are connected to this server, and what they have.
#include "jobs/dispatch_private.h"
#include "util/clock.h"

static bool holds(const struct worker_offer *offer, const char *execution_id, uint64_t epoch)
{
    for (size_t i = 0; i < offer->held_count; i++)
        if (offer->held[i].epoch == epoch && strcmp(offer->held[i].execution_id, execution_id) == 0)
            return true;
    return false;
}

// Returns NULL if it was not.
static const struct early_return *given_back_early(const struct dispatch_worker *worker, const struct job_claimed *job)
{
    for (size_t i = 0; i < worker->early_count; i++)
        if (worker->early[i].epoch == job->epoch && strcmp(worker->early[i].execution_id, job->execution_id) == 0)
            return &worker->early[i];
    return NULL;
}

// A job was on its way to the worker when the connection broke, and has never arrived. It is given to another worker.
static void take_back_lost_gifts(struct dispatch *dispatch, const struct worker_session *session)
{
    const struct worker_offer *offer = worker_session_offer(session);
    struct str key = worker_session_key(session);
    LIST_FOR_EACH_SAFE(it, tmp, &dispatch->gifts.all) {
        struct given *given = CONTAINER_OF(it, struct given, link);
        if (str_eq(str_of(given->worker), key) && !given->known && !holds(offer, given->execution_id, given->epoch))
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
    const struct early_return *early = given_back_early(worker, job);
    bool has = holds(said, job->execution_id, job->epoch) && !early;
    struct demand demand = {.executor = STR("process")};
    if (match_has(&dispatch->match, job->row))
        return; // given here
    if (early)
        match_returned(&dispatch->match, worker_session_key(worker->session), job->row, str_of(early->reason),
                       clock_mono_ms());
    if (!has && !job->has_records) { // not even lost: it was under way when the lease ran out
        dispatch_return_job(dispatch, job->row, job->epoch);
        return;
    }
    if (job->lost)
        return; // it takes no place before its stream begins
    gifts_add(&dispatch->gifts, job->row, job->epoch, job->execution_id, worker->session)->known = true;
    demand_parse(str_of(job->demand), &demand);
    match_held(&dispatch->match, worker_session_key(worker->session), job->account, job->row, &demand);
}

static void worker_known(struct dispatch *dispatch, struct dispatch_worker *worker)
{
    struct str key = worker_session_key(worker->session);
    struct offer offer = worker_offer_view(worker_session_offer(worker->session), &worker->words);
    worker->known = true;
    match_join(&dispatch->match, key, worker_session_account(worker->session), &offer);
    if (worker->drains || worker->drained)
        match_drain(&dispatch->match, key);
}

static void look_from(struct dispatch *dispatch, struct dispatch_worker *worker, int64_t after);

// With the mutex.
static void page_take(struct dispatch *dispatch, const struct looking *it, int err)
{
    struct dispatch_worker *worker = dispatch_worker_of(dispatch, worker_session_key(it->session));
    size_t count = it->claimed.ret_count;
    if (!worker || worker->session != it->session)
        return; // it has left, or is connected anew
    worker->asks = false;
    if (err < 0 || dispatch->stopping)
        return; // the tick asks again
    for (size_t i = 0; i < count; i++)
        claimed_judge(dispatch, worker, &it->claimed.ret_jobs[i]);
    if (count == JOBS_CLAIMED_MAX)
        look_from(dispatch, worker, it->claimed.ret_jobs[count - 1].row);
    else
        worker_known(dispatch, worker);
}

static void looking_done(struct store_op *op)
{
    struct looking *it = CONTAINER_OF(op, struct looking, claimed.op);
    struct dispatch *dispatch = it->dispatch;
    pthread_mutex_lock(&dispatch->mutex);
    page_take(dispatch, it, op->err);
    pthread_mutex_unlock(&dispatch->mutex);
    store_op_release(op);
    worker_session_unref(&it->session);
    free(it);
    dispatch_look(dispatch);
    dispatch_pump(dispatch);
}

static void look_from(struct dispatch *dispatch, struct dispatch_worker *worker, int64_t after)
{
    struct looking *it = xcalloc(1, sizeof(*it));
    worker->asks = true;
    it->dispatch = dispatch;
    it->session = worker_session_ref(worker->session);
    it->claimed = (struct store_jobs_claimed){
        .op = {.kind = STORE_JOBS_CLAIMED, .reply_to = dispatch->options.loop, .done = looking_done},
        .node = hub_node(dispatch->options.hub),
        .account = worker_session_account(worker->session),
        .worker_id = str_of(worker_session_offer(worker->session)->id),
        .after = after,
    };
    store_submit(dispatch->options.store, &it->claimed.op);
}

void dispatch_workers_look(struct dispatch *dispatch)
{
    for (struct list_node *it = dispatch->workers.next; it != &dispatch->workers; it = it->next) {
        struct dispatch_worker *worker = CONTAINER_OF(it, struct dispatch_worker, node);
        bool newest = dispatch_worker_of(dispatch, worker_session_key(worker->session)) == worker;
        if (newest && worker->checked && !worker->known && !worker->asks)
            look_from(dispatch, worker, 0);
    }
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

bool dispatch_is_other(struct str instance, const struct worker_session *session)
{
    struct str own = str_of(worker_session_offer(session)->instance);
    return instance.len > 0 && own.len > 0 && !str_eq(instance, own);
}

// Whether another machine uses this one's id: it is connected here, or has jobs whose leases live.
static bool is_in_use(const struct dispatch *dispatch, const struct worker_session *session)
{
    struct str key = worker_session_key(session);
    for (struct list_node *it = dispatch->workers.next; it != &dispatch->workers; it = it->next) {
        const struct worker_session *other = CONTAINER_OF(it, struct dispatch_worker, node)->session;
        if (str_eq(worker_session_key(other), key) &&
            dispatch_is_other(str_of(worker_session_offer(other)->instance), session))
            return true;
    }
    for (struct list_node *it = dispatch->gifts.all.next; it != &dispatch->gifts.all; it = it->next) {
        const struct given *given = CONTAINER_OF(it, struct given, link);
        if (str_eq(str_of(given->worker), key) && dispatch_is_other(str_of(given->instance), session))
            return true;
    }
    return false;
}

void dispatch_worker_refuse(struct dispatch *dispatch, struct worker_session *session)
{
    const struct worker_offer *said = worker_session_offer(session);
    log_warn(dispatch->options.logger, "a worker was refused, as another machine uses its id",
             LOG_S("worker_id", said->id), LOG_S("hostname", said->hostname));
    worker_session_refuse(session);
}

void dispatch_worker_joined(struct dispatch *dispatch, struct worker_session *session)
{
    if (is_in_use(dispatch, session)) {
        dispatch_worker_refuse(dispatch, session);
        return;
    }
    struct dispatch_worker *worker = xcalloc(1, sizeof(*worker));
    worker->session = worker_session_ref(session);
    list_push_front(&dispatch->workers, &worker->node);
    dispatch->roster_changed = true;
    take_wish(dispatch, worker);
    take_back_lost_gifts(dispatch, session);
    worker->checked = store_alone(dispatch->options.store);
    worker->check = dispatch->others_round + 1; // what is under way does not tell of whom the others have by now
    dispatch_workers_look(dispatch);
}

void dispatch_workers_each(struct dispatch *dispatch, void (*each)(void *arg, const struct dispatch_seen *seen),
                           void *arg)
{
    for (struct list_node *it = dispatch->workers.next; it != &dispatch->workers; it = it->next) {
        const struct dispatch_worker *worker = CONTAINER_OF(it, struct dispatch_worker, node);
        struct str key = worker_session_key(worker->session);
        const struct dispatch_seen seen = {
            .session = worker->session,
            .offer = match_offer(&dispatch->match, key),
            .jobs = match_used(&dispatch->match, key),
            .drains = worker->drains || worker->drained,
        };
        if (seen.offer && dispatch_worker_of(dispatch, key) == worker)
            each(arg, &seen);
    }
}

void dispatch_worker_free(struct dispatch_worker *worker)
{
    list_remove(&worker->node);
    worker_session_unref(&worker->session);
    for (size_t i = 0; i < worker->early_count; i++) {
        free(worker->early[i].execution_id);
        free(worker->early[i].reason);
    }
    free(worker->early);
    free(worker->words);
    free(worker);
}

// NULL after it was refused.
static struct dispatch_worker *by_session(const struct dispatch *dispatch, const struct worker_session *session)
{
    for (struct list_node *it = dispatch->workers.next; it != &dispatch->workers; it = it->next) {
        struct dispatch_worker *worker = CONTAINER_OF(it, struct dispatch_worker, node);
        if (worker->session == session)
            return worker;
    }
    return NULL;
}

void dispatch_worker_left(struct dispatch *dispatch, const struct worker_session *session)
{
    struct str key = worker_session_key(session);
    struct dispatch_worker *worker = by_session(dispatch, session);
    dispatch->roster_changed = true;
    if (worker)
        dispatch_worker_free(worker);
    if (!dispatch_worker_of(dispatch, key)) // otherwise it is connected again already
        match_leave(&dispatch->match, key);
}

void dispatch_worker_opened(struct dispatch *dispatch, const struct worker_session *session, int64_t row)
{
    static const struct demand nothing = {.executor = STR("process")};
    struct given *given = gifts_find(&dispatch->gifts, row);
    if (!by_session(dispatch, session))
        return;
    if (given)
        given->known = true;
    match_held(&dispatch->match, worker_session_key(session), worker_session_account(session), row, &nothing);
}

void dispatch_worker_drains(struct dispatch *dispatch, const struct worker_session *session)
{
    struct str key = worker_session_key(session);
    struct dispatch_worker *worker = dispatch_worker_of(dispatch, key);
    if (!worker || worker->session != session)
        return;
    worker->drains = true;
    dispatch->roster_changed = true;
    if (worker->known)
        match_drain(&dispatch->match, key);
}

void dispatch_worker_completed(struct dispatch *dispatch, int64_t row, uint64_t epoch)
{
    const struct given *given = gifts_find(&dispatch->gifts, row);
    if (!given || given->epoch == epoch)
        dispatch_over(dispatch, row);
}

// What it has of an earlier server's is not known here yet. It names no more than it said that it holds.
static void keep_early(struct dispatch_worker *worker, const char *execution_id, uint64_t epoch, const char *reason)
{
    if (worker->early_count >= worker_session_offer(worker->session)->held_count)
        return;
    worker->early = xrealloc(worker->early, (worker->early_count + 1) * sizeof(*worker->early));
    worker->early[worker->early_count++] = (struct early_return){xstrdup(execution_id), xstrdup(reason), epoch};
}

void dispatch_worker_returned(struct dispatch *dispatch, const struct worker_session *session, const char *execution_id,
                              uint64_t epoch, const char *reason)
{
    struct str key = worker_session_key(session);
    struct dispatch_worker *worker = by_session(dispatch, session);
    if (!worker)
        return;
    LIST_FOR_EACH_SAFE(it, tmp, &dispatch->gifts.all) {
        const struct given *given = CONTAINER_OF(it, struct given, link);
        if (given->epoch == epoch && strcmp(given->execution_id, execution_id) == 0 &&
            str_eq(str_of(given->worker), key)) {
            match_returned(&dispatch->match, key, given->row, str_of(reason), clock_mono_ms());
            dispatch_return_job(dispatch, given->row, given->epoch);
        }
    }
    if (dispatch_worker_of(dispatch, key) == worker && !worker->known)
        keep_early(worker, execution_id, epoch, reason);
}
