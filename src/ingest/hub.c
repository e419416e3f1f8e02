#include "ingest/hub.h"

#include "util/clock.h"
#include "util/log.h"

#include <pthread.h>
#include <stdio.h>

#define HUB_LOOPS_MAX 256
#define HUB_TICK_MS   1000
#define START_PAGE    1000

struct hub_place {
    struct loop *loop;
    const struct hub_listener *listener;
    void *owner;
};

struct account_followers {
    struct map_node node;
    int64_t account;
    uint64_t count;
};

struct hub {
    struct hub_options options;
    pthread_mutex_t mutex;
    struct lease_table leases;
    struct map accounts;
    uint64_t last_holder;
    struct hub_place places[HUB_LOOPS_MAX];
    size_t place_count;
    struct loop *loop; // the one of hub_start
    struct timer *tick;
};

struct hub *hub_new(const struct hub_options *options)
{
    struct hub *hub = xcalloc(1, sizeof(*hub));
    hub->options = *options;
    pthread_mutex_init(&hub->mutex, NULL);
    lease_table_init(&hub->leases, options->lease_ms, options->lost_seal_ms);
    map_init(&hub->accounts);
    return hub;
}

static void account_drop(struct map_node *node, void *arg)
{
    (void)arg;
    free(CONTAINER_OF(node, struct account_followers, node));
}

void hub_free(struct hub **hub)
{
    if (!*hub)
        return;
    lease_table_release(&(*hub)->leases);
    map_each(&(*hub)->accounts, account_drop, NULL);
    map_release(&(*hub)->accounts);
    pthread_mutex_destroy(&(*hub)->mutex);
    free(*hub);
    *hub = NULL;
}

void hub_attach(struct hub *hub, struct loop *loop, const struct hub_listener *listener, void *owner)
{
    if (hub->place_count < HUB_LOOPS_MAX)
        hub->places[hub->place_count++] = (struct hub_place){loop, listener, owner};
}

// --- Messages to all loops

enum hub_message_kind { HUB_LIVE, HUB_REPLACED, HUB_CANCEL };

struct hub_message {
    struct mail mail;
    const struct hub_place *place;
    enum hub_message_kind kind;
    int64_t row;
    uint64_t holder;
    char reason[64];
};

static void hub_message_deliver(struct mail *mail)
{
    struct hub_message *message = CONTAINER_OF(mail, struct hub_message, mail);
    const struct hub_place *place = message->place;

    switch (message->kind) {
    case HUB_LIVE:
        place->listener->live_changed(place->owner, message->row);
        break;
    case HUB_REPLACED:
        place->listener->runner_replaced(place->owner, message->holder);
        break;
    case HUB_CANCEL:
        place->listener->runner_cancel(place->owner, message->holder, message->reason);
        break;
    }
    free(message);
}

static void hub_tell(struct hub *hub, enum hub_message_kind kind, int64_t row, uint64_t holder, const char *reason)
{
    for (size_t i = 0; i < hub->place_count; i++) {
        struct hub_message *message = xcalloc(1, sizeof(*message));
        *message = (struct hub_message){
            .mail.deliver = hub_message_deliver, .place = &hub->places[i], .kind = kind, .row = row, .holder = holder};
        snprintf(message->reason, sizeof(message->reason), "%s", reason);
        loop_post(hub->places[i].loop, &message->mail);
    }
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

static void hub_change_again(struct hub *hub, const struct store_update *update)
{
    bool to_lost = update->outcome.cause == OUTCOME_SILENT;
    pthread_mutex_lock(&hub->mutex);
    lease_change_failed(&hub->leases, update->row, update->epoch, to_lost, clock_mono_ms());
    pthread_mutex_unlock(&hub->mutex);
}

static void hub_change_done(struct store_op *op)
{
    struct hub_change *change = CONTAINER_OF(op, struct hub_change, update.op);
    bool seals = change->update.outcome.cause == OUTCOME_GIVEN_UP;
    // Nothing of a suspended account is given up: the lease will ask again.
    if (op->err && op->err != ERR_SEALED && op->err != ERR_BAD_TRANSITION && op->err != ERR_EXPIRED &&
        op->err != ERR_SUSPENDED)
        log_warn(change->hub->options.logger, "status of a silent runner's execution could not be changed",
                 LOG_S("error", error_word(op->err)));
    if ((op->err == 0 && seals) || op->err == ERR_SEALED || op->err == ERR_EXPIRED)
        hub_sealed(change->hub, change->update.row);
    if (!seals && hub_change_may_pass(op->err))
        hub_change_again(change->hub, &change->update);
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
    pthread_mutex_lock(&hub->mutex);
    lease_expire(&hub->leases, loop_now_ms(hub->loop), hub_expired, hub);
    pthread_mutex_unlock(&hub->mutex);
    timer_start(hub->tick, HUB_TICK_MS);
}

struct hub_start_list {
    struct store_list list;
    struct hub *hub;
};

static void hub_start_page(struct hub *hub, int64_t before_row);

static void hub_start_done(struct store_op *op)
{
    struct hub_start_list *page = CONTAINER_OF(op, struct hub_start_list, list.op);
    struct hub *hub = page->hub;

    if (op->err)
        log_error(hub->options.logger, "the unsealed executions could not be read",
                  LOG_S("error", error_word(op->err)));
    pthread_mutex_lock(&hub->mutex);
    for (size_t i = 0; i < page->list.ret_count; i++) {
        const struct execution *execution = &page->list.ret_executions[i];
        if (execution->epoch)
            lease_restore(&hub->leases, execution->row, execution->epoch, execution->status == STATUS_LOST,
                          loop_now_ms(hub->loop));
    }
    pthread_mutex_unlock(&hub->mutex);
    int64_t next_row = op->err ? 0 : page->list.ret_next_row;
    store_op_release(op);
    free(page);
    if (next_row)
        hub_start_page(hub, next_row);
}

static void hub_start_page(struct hub *hub, int64_t before_row)
{
    struct hub_start_list *page = xcalloc(1, sizeof(*page));
    page->hub = hub;
    page->list = (struct store_list){
        .op = {.kind = STORE_LIST, .reply_to = hub->loop, .done = hub_start_done},
        .unsealed_only = true,
        .before_row = before_row,
        .limit = START_PAGE,
    };
    store_submit(hub->options.store, &page->list.op);
}

void hub_start(struct hub *hub, struct loop *loop)
{
    hub->loop = loop;
    hub->tick = timer_new(loop, hub_tick, hub);
    timer_start(hub->tick, HUB_TICK_MS);
    hub_start_page(hub, 0);
}

void hub_stop(struct hub *hub)
{
    timer_free(&hub->tick);
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

enum lease_verdict hub_connect(struct hub *hub, const struct execution *execution, uint64_t epoch, uint64_t holder)
{
    uint64_t former;
    pthread_mutex_lock(&hub->mutex);
    enum lease_verdict verdict =
        lease_connect(&hub->leases, execution->row, epoch, execution->epoch, holder, clock_mono_ms(), &former);
    pthread_mutex_unlock(&hub->mutex);
    if (former && former != holder)
        hub_tell(hub, HUB_REPLACED, execution->row, former, "");
    return verdict;
}

void hub_granted(struct hub *hub, int64_t row, uint64_t epoch, uint64_t holder)
{
    pthread_mutex_lock(&hub->mutex);
    lease_granted(&hub->leases, row, epoch, holder, clock_mono_ms());
    pthread_mutex_unlock(&hub->mutex);
    hub_tell(hub, HUB_LIVE, row, 0, "");
}

void hub_refused(struct hub *hub, int64_t row)
{
    pthread_mutex_lock(&hub->mutex);
    lease_refused(&hub->leases, row);
    pthread_mutex_unlock(&hub->mutex);
}

void hub_touch(struct hub *hub, struct loop *loop, int64_t row, uint64_t holder)
{
    pthread_mutex_lock(&hub->mutex);
    bool was_lost = lease_touch(&hub->leases, row, holder, clock_mono_ms());
    struct lease *lease = lease_find(&hub->leases, row);
    uint64_t epoch = lease ? lease->epoch : 0;
    pthread_mutex_unlock(&hub->mutex);
    if (!was_lost)
        return;
    hub_change_outcome(hub, loop, row, epoch, OUTCOME_BACK);
    hub_tell(hub, HUB_LIVE, row, 0, "");
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

// --- Followers

static struct account_followers *account_of(struct hub *hub, int64_t account)
{
    struct map_node *node = map_find(&hub->accounts, str_n((const char *)&account, sizeof(account)));
    if (node)
        return CONTAINER_OF(node, struct account_followers, node);
    struct account_followers *followers = xcalloc(1, sizeof(*followers));
    followers->account = account;
    map_insert(&hub->accounts, &followers->node, str_n((const char *)&followers->account, sizeof(followers->account)));
    return followers;
}

bool hub_follower_add(struct hub *hub, int64_t account, uint64_t max)
{
    pthread_mutex_lock(&hub->mutex);
    struct account_followers *followers = account_of(hub, account);
    bool room = followers->count < max;
    if (room)
        followers->count++;
    pthread_mutex_unlock(&hub->mutex);
    return room;
}

void hub_follower_remove(struct hub *hub, int64_t account)
{
    pthread_mutex_lock(&hub->mutex);
    struct account_followers *followers = account_of(hub, account);
    if (followers->count)
        followers->count--;
    pthread_mutex_unlock(&hub->mutex);
}
