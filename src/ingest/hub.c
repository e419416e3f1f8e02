#include "ingest/hub.h"

#include "ingest/node.h"
#include "util/clock.h"
#include "util/log.h"

#include <pthread.h>
#include <stdio.h>

#define HUB_TICK_MS 1000

struct hub {
    struct hub_options options;
    pthread_mutex_t mutex;
    struct lease_table leases;
    uint64_t last_holder;
    struct node *node;
    struct loop *loop; // the one of hub_start
    struct timer *tick;
    uint64_t ticked_ms;
};

static void hub_tell(struct hub *hub, enum hub_news_kind kind, int64_t row, uint64_t holder, const char *reason)
{
    struct hub_news news = {.kind = kind, .row = row, .holder = holder};
    snprintf(news.reason, sizeof(news.reason), "%s", reason);
    hub->options.tell(hub->options.tell_arg, &news);
}

// --- Changes of status that leases cause

struct hub_change {
    struct store_update update;
    struct hub *hub;
};

// Whether the store could not do it now, and has not said whether it may be done.
static bool hub_change_may_pass(int err)
{
    return err && err != ERR_SEALED && err != ERR_BAD_TRANSITION && err != ERR_EXPIRED && err != ERR_FENCED &&
           err != ERR_NOT_FOUND;
}

static void hub_change_again(struct hub *hub, int64_t row, uint64_t epoch, enum outcome_cause cause)
{
    pthread_mutex_lock(&hub->mutex);
    lease_change_failed(&hub->leases, row, epoch, cause == OUTCOME_SILENT, clock_mono_ms());
    pthread_mutex_unlock(&hub->mutex);
}

// The store is asked whose the lease is: it has refused a change as another node's or another epoch's, or knows a
// runner that is not known here.
struct hub_looking {
    struct store_lease lease;
    struct hub *hub;
    int64_t row;
    uint64_t epoch, holder; // as it was known here
    enum outcome_cause cause;
};

// `now`: it is this node's: by another epoch, after a claim whose answer did not come, or since the store refused the
// change, so that it begins again; NULL: it is another's. Unless its runner has come back meanwhile, what was known
// here of another epoch or node is no more.
static void hub_correct(struct hub *hub, const struct hub_looking *known, const struct node_lease *now)
{
    bool same = now && now->epoch == known->epoch;
    pthread_mutex_lock(&hub->mutex);
    bool forgotten = !same && lease_forget(&hub->leases, known->row, known->epoch, known->holder);
    if (now)
        lease_restore(&hub->leases, known->row, now->epoch, now->deadline_ms > 0, clock_mono_ms());
    pthread_mutex_unlock(&hub->mutex);
    if (forgotten && known->holder)
        hub_tell(hub, HUB_REPLACED, known->row, known->holder, "");
}

static void hub_looked(struct store_op *op)
{
    struct hub_looking *it = CONTAINER_OF(op, struct hub_looking, lease.op);
    bool others = op->err == ERR_HELD || op->err == ERR_FENCED || op->err == ERR_NODE_FENCED;
    if (others || op->err == 0)
        hub_correct(it->hub, it, others ? NULL : &it->lease.ret_lease);
    else if (it->cause != OUTCOME_GIVEN_UP) // which is asked for again in any case, as other runners come again
        hub_change_again(it->hub, it->row, it->epoch, it->cause);
    store_op_release(op);
    free(it);
}

static void hub_look(struct hub *hub, struct loop *loop, int64_t row, uint64_t epoch, enum outcome_cause cause)
{
    struct hub_looking *it = xcalloc(1, sizeof(*it));
    *it = (struct hub_looking){
        .lease = {.op = {.kind = STORE_LEASE, .reply_to = loop, .done = hub_looked},
                  .lease_kind = LEASE_RUNNER,
                  .subject = row,
                  .ask = {.cause = NODE_LEASE_ADOPT, .node = node_number(hub->node)}},
        .hub = hub,
        .row = row,
        .epoch = epoch,
        .cause = cause,
    };
    pthread_mutex_lock(&hub->mutex);
    const struct lease *lease = lease_find(&hub->leases, row);
    it->holder = lease ? lease->holder : 0;
    pthread_mutex_unlock(&hub->mutex);
    store_submit(hub->options.store, &it->lease.op);
}

static void hub_change_done(struct store_op *op)
{
    struct hub_change *change = CONTAINER_OF(op, struct hub_change, update.op);
    const struct store_update *update = &change->update;
    bool seals = update->outcome.cause == OUTCOME_GIVEN_UP;
    // Nothing of a suspended account is given up: the lease will ask again.
    if (op->err && op->err != ERR_SEALED && op->err != ERR_BAD_TRANSITION && op->err != ERR_EXPIRED &&
        op->err != ERR_SUSPENDED && op->err != ERR_FENCED)
        log_warn(change->hub->options.logger, "status of a silent runner's execution could not be changed",
                 LOG_S("error", error_word(op->err)));
    if ((op->err == 0 && seals) || op->err == ERR_SEALED || op->err == ERR_EXPIRED)
        hub_sealed(change->hub, update->row);
    if (op->err == ERR_FENCED)
        hub_look(change->hub, op->reply_to, update->row, update->epoch, update->outcome.cause);
    if (op->err == 0 && update->outcome.cause == OUTCOME_BACK && update->ret_execution.cancel_reason)
        hub_cancel(change->hub, update->row, update->ret_execution.cancel_reason); // asked for while it was lost
    if (!seals && hub_change_may_pass(op->err))
        hub_change_again(change->hub, update->row, update->epoch, update->outcome.cause);
    store_op_release(op);
    free(change);
}

static void hub_change_outcome(struct hub *hub, struct loop *loop, int64_t row, uint64_t epoch,
                               enum outcome_cause cause)
{
    struct hub_change *change = xcalloc(1, sizeof(*change));
    change->hub = hub;
    change->update = (struct store_update){
        .op = {.kind = STORE_UPDATE, .reply_to = loop, .done = hub_change_done},
        .row = row,
        .epoch = epoch,
        .node = node_number(hub->node),
        .has_outcome = true,
        .outcome = {.cause = cause},
        .grace_ms = hub->options.lost_seal_ms,
    };
    store_submit(hub->options.store, &change->update.op);
}

static void hub_expired(void *arg, struct lease *lease, enum lease_expiry what)
{
    struct hub *hub = arg;
    if (what == LEASE_BECAME_LOST)
        metrics_add(hub->options.metrics, 0, METRIC_status_lost_total, 1);
    hub_change_outcome(hub, hub->loop, lease->row, lease->epoch,
                       what == LEASE_TO_BE_SEALED ? OUTCOME_GIVEN_UP : OUTCOME_SILENT);
}

static void hub_tick(void *arg)
{
    struct hub *hub = arg;
    uint64_t now_ms = loop_now_ms(hub->loop);
    bool may_judge = node_judges(hub->node) && node_may_judge(hub->ticked_ms, now_ms);
    hub->ticked_ms = now_ms;
    pthread_mutex_lock(&hub->mutex);
    lease_expire(&hub->leases, now_ms, may_judge, hub_expired, hub);
    pthread_mutex_unlock(&hub->mutex);
    timer_start(hub->tick, HUB_TICK_MS);
}

// --- The node

static void hub_adopted(void *arg, const struct adopted_lease *lease)
{
    struct hub *hub = arg;
    pthread_mutex_lock(&hub->mutex);
    lease_restore(&hub->leases, lease->subject, lease->lease.epoch, lease->ran_out, loop_now_ms(hub->loop));
    pthread_mutex_unlock(&hub->mutex);
}

static void hub_owned(void *arg, const struct adopted_lease *lease)
{
    struct hub *hub = arg;
    pthread_mutex_lock(&hub->mutex);
    if (!lease_find(&hub->leases, lease->subject))
        lease_restore(&hub->leases, lease->subject, lease->lease.epoch, lease->ran_out, loop_now_ms(hub->loop));
    pthread_mutex_unlock(&hub->mutex);
}

static void hub_became(void *arg, int64_t node)
{
    const struct hub *hub = arg;
    if (hub->options.became)
        hub->options.became(hub->options.became_arg, node);
}

static void hub_lease_forgotten(void *arg, int64_t row, uint64_t holder)
{
    hub_tell(arg, HUB_REPLACED, row, holder, "");
}

// Its runners come back with their epochs, here or elsewhere.
static void hub_node_fenced(void *arg)
{
    struct hub *hub = arg;
    pthread_mutex_lock(&hub->mutex);
    lease_forget_all(&hub->leases, hub_lease_forgotten, hub);
    pthread_mutex_unlock(&hub->mutex);
}

static void hub_outgrown(void *arg)
{
    struct hub *hub = arg;
    if (hub->options.outgrown)
        hub->options.outgrown(hub->options.became_arg);
}

int64_t hub_node(const struct hub *hub)
{
    return node_number(hub->node);
}

// --- Life

struct hub *hub_new(const struct hub_options *options)
{
    struct hub *hub = xcalloc(1, sizeof(*hub));
    hub->options = *options;
    pthread_mutex_init(&hub->mutex, NULL);
    lease_table_init(&hub->leases, options->lease_ms, options->lost_seal_ms);
    hub->leases.shared = !store_alone(options->store);
    hub->node = node_new(&(struct node_options){
        .store = options->store,
        .logger = options->logger,
        .beat_ms = options->beat_ms,
        .address = options->address,
        .former = options->former,
        .became = hub_became,
        .adopted = hub_adopted,
        .owned = hub_owned,
        .fenced = hub_node_fenced,
        .outgrown = hub_outgrown,
        .arg = hub,
    });
    return hub;
}

void hub_free(struct hub **hub)
{
    if (!*hub)
        return;
    lease_table_release(&(*hub)->leases);
    node_free(&(*hub)->node);
    pthread_mutex_destroy(&(*hub)->mutex);
    free(*hub);
    *hub = NULL;
}

void hub_start(struct hub *hub, struct loop *loop, void (*started)(void *arg, int err), void *arg)
{
    hub->loop = loop;
    hub->tick = timer_new(loop, hub_tick, hub);
    hub->ticked_ms = loop_now_ms(loop);
    timer_start(hub->tick, HUB_TICK_MS);
    node_start(hub->node, loop, started, arg);
}

void hub_stop(struct hub *hub)
{
    timer_free(&hub->tick);
    node_stop(hub->node);
}

// --- Runners

uint64_t hub_lease_ms(const struct hub *hub)
{
    return hub->options.lease_ms;
}

uint64_t hub_new_holder(struct hub *hub)
{
    pthread_mutex_lock(&hub->mutex);
    uint64_t holder = ++hub->last_holder;
    pthread_mutex_unlock(&hub->mutex);
    return holder;
}

enum lease_verdict hub_connect(struct hub *hub, struct loop *loop, const struct execution *execution, uint64_t epoch,
                               uint64_t holder)
{
    const struct lease_stored stored = {.epoch = execution->epoch,
                                        .lost = execution->status == STATUS_LOST,
                                        .ended = status_terminal(execution->status)};
    uint64_t former;
    pthread_mutex_lock(&hub->mutex);
    enum lease_verdict verdict =
        lease_connect(&hub->leases, execution->row, epoch, stored, holder, clock_mono_ms(), &former);
    pthread_mutex_unlock(&hub->mutex);
    if (former && former != holder)
        hub_tell(hub, HUB_REPLACED, execution->row, former, "");
    if (verdict != LEASE_ELSEWHERE)
        return verdict;
    hub_look(hub, loop, execution->row, 0, OUTCOME_GIVEN_UP);
    return LEASE_TAKEN;
}

void hub_granted(struct hub *hub, int64_t row, int64_t node, uint64_t epoch, uint64_t holder)
{
    pthread_mutex_lock(&hub->mutex);
    if (node == node_number(hub->node))
        lease_granted(&hub->leases, row, epoch, holder, clock_mono_ms());
    pthread_mutex_unlock(&hub->mutex);
    hub_tell(hub, HUB_LIVE, row, 0, "");
}

void hub_claimed(struct hub *hub, int64_t row, int64_t node, uint64_t epoch)
{
    pthread_mutex_lock(&hub->mutex);
    if (node == node_number(hub->node)) {
        lease_end(&hub->leases, row); // of an earlier claim, which was given back
        lease_restore(&hub->leases, row, epoch, false, clock_mono_ms());
    }
    pthread_mutex_unlock(&hub->mutex);
    hub_tell(hub, HUB_LIVE, row, 0, "");
}

enum lease_verdict hub_returned(struct hub *hub, int64_t row, const struct store_lease *lease, uint64_t holder)
{
    uint64_t former = 0;
    enum lease_verdict verdict = LEASE_TAKEN;
    bool lost = lease->ret_lease.deadline_ms > 0; // since then
    pthread_mutex_lock(&hub->mutex);
    if (lease->ask.node == node_number(hub->node))
        verdict = lease_returned(&hub->leases, row, lease->ret_lease.epoch, lost, holder, clock_mono_ms(), &former);
    pthread_mutex_unlock(&hub->mutex);
    if (former && former != holder)
        hub_tell(hub, HUB_REPLACED, row, former, "");
    return verdict;
}

void hub_refused(struct hub *hub, int64_t row)
{
    pthread_mutex_lock(&hub->mutex);
    lease_refused(&hub->leases, row);
    pthread_mutex_unlock(&hub->mutex);
}

bool hub_touch(struct hub *hub, struct loop *loop, int64_t row, uint64_t holder)
{
    pthread_mutex_lock(&hub->mutex);
    bool was_lost = lease_touch(&hub->leases, row, holder, clock_mono_ms());
    const struct lease *lease = lease_find(&hub->leases, row);
    uint64_t epoch = lease ? lease->epoch : 0;
    bool renewed = lease && lease_held_by(lease, holder);
    pthread_mutex_unlock(&hub->mutex);
    if (was_lost) {
        hub_change_outcome(hub, loop, row, epoch, OUTCOME_BACK);
        hub_tell(hub, HUB_LIVE, row, 0, "");
    }
    return renewed;
}

bool hub_vouches(const struct hub *hub)
{
    return node_vouches(hub->node);
}

void hub_lag(struct hub *hub, int64_t row, uint64_t holder, uint64_t lag_records)
{
    pthread_mutex_lock(&hub->mutex);
    struct lease *lease = lease_find(&hub->leases, row);
    if (lease && lease->holder == holder) {
        lease->has_lag = true;
        lease->lag_records = lag_records;
    }
    pthread_mutex_unlock(&hub->mutex);
}

static void lag_add(struct map_node *node, void *arg)
{
    const struct lease *lease = CONTAINER_OF(node, struct lease, node);
    uint64_t *total = arg;
    if (lease->holder && lease->has_lag)
        *total += lease->lag_records;
}

uint64_t hub_lag_total(struct hub *hub)
{
    uint64_t total = 0;
    pthread_mutex_lock(&hub->mutex);
    map_each(&hub->leases.leases, lag_add, &total);
    pthread_mutex_unlock(&hub->mutex);
    return total;
}

void hub_disconnect(struct hub *hub, int64_t row, uint64_t holder)
{
    pthread_mutex_lock(&hub->mutex);
    lease_disconnect(&hub->leases, row, holder);
    pthread_mutex_unlock(&hub->mutex);
    hub_tell(hub, HUB_LIVE, row, 0, "");
}

void hub_abandon(struct hub *hub, int64_t row, uint64_t holder)
{
    pthread_mutex_lock(&hub->mutex);
    lease_abandon(&hub->leases, row, holder);
    pthread_mutex_unlock(&hub->mutex);
}

bool hub_holds(struct hub *hub, int64_t row, uint64_t holder)
{
    pthread_mutex_lock(&hub->mutex);
    const struct lease *lease = lease_find(&hub->leases, row);
    bool holds = lease && lease->holder == holder;
    pthread_mutex_unlock(&hub->mutex);
    return holds;
}

void hub_sealed(struct hub *hub, int64_t row)
{
    pthread_mutex_lock(&hub->mutex);
    lease_end(&hub->leases, row);
    pthread_mutex_unlock(&hub->mutex);
}

void hub_fenced(struct hub *hub, int64_t row)
{
    pthread_mutex_lock(&hub->mutex);
    const struct lease *lease = lease_find(&hub->leases, row);
    uint64_t holder = lease ? lease->holder : 0;
    lease_end(&hub->leases, row);
    pthread_mutex_unlock(&hub->mutex);
    if (holder)
        hub_tell(hub, HUB_REPLACED, row, holder, "");
}

void hub_live(struct hub *hub, int64_t row, struct execution_live *ret)
{
    *ret = (struct execution_live){0};
    pthread_mutex_lock(&hub->mutex);
    const struct lease *lease = lease_find(&hub->leases, row);
    if (lease) {
        ret->known = true;
        ret->runner_connected = lease->holder != 0;
        ret->has_lag = lease->has_lag;
        ret->lag_records = lease->lag_records;
    }
    ret->elsewhere = !lease && hub->leases.shared;
    pthread_mutex_unlock(&hub->mutex);
}

void hub_cancel(struct hub *hub, int64_t row, const char *reason)
{
    uint64_t holder = 0;
    pthread_mutex_lock(&hub->mutex);
    struct lease *lease = lease_find(&hub->leases, row);
    if (lease) {
        lease->cancel_asked = true;
        snprintf(lease->cancel_reason, sizeof(lease->cancel_reason), "%s", reason);
        holder = lease->holder;
    }
    pthread_mutex_unlock(&hub->mutex);
    if (holder)
        hub_tell(hub, HUB_CANCEL, row, holder, reason);
}

void hub_cancel_asked(struct hub *hub, int64_t row, char out[64])
{
    out[0] = '\0';
    pthread_mutex_lock(&hub->mutex);
    const struct lease *lease = lease_find(&hub->leases, row);
    if (lease && lease->cancel_asked)
        snprintf(out, 64, "%s", lease->cancel_reason);
    pthread_mutex_unlock(&hub->mutex);
}
