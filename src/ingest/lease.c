#include "ingest/lease.h"

#define SEAL_RETRY_MS 60000

void lease_table_init(struct lease_table *table, uint64_t lease_ms, uint64_t lost_seal_ms)
{
    *table = (struct lease_table){.lease_ms = lease_ms, .lost_seal_ms = lost_seal_ms};
    map_init(&table->leases);
}

static void lease_drop(struct map_node *node, void *arg)
{
    (void)arg;
    free(CONTAINER_OF(node, struct lease, node));
}

void lease_table_release(struct lease_table *table)
{
    map_each(&table->leases, lease_drop, NULL);
    map_release(&table->leases);
}

struct lease *lease_find(const struct lease_table *table, int64_t row)
{
    struct map_node *node = map_find(&table->leases, str_n((const char *)&row, sizeof(row)));
    return node ? CONTAINER_OF(node, struct lease, node) : NULL;
}

static struct lease *lease_add(struct lease_table *table, int64_t row)
{
    struct lease *lease = xcalloc(1, sizeof(*lease));
    lease->row = row;
    map_insert(&table->leases, &lease->node, str_n((const char *)&lease->row, sizeof(lease->row)));
    return lease;
}

// Another server may have had it since it was last looked at here, and have told its runner that it lasts.
static void lease_begin_again(const struct lease_table *table, struct lease *lease, bool lost, uint64_t now_ms)
{
    bool was_lost = lease->state == LEASE_LOST;
    if (lease->state == LEASE_CLAIMING)
        return;
    if (was_lost && lost) { // by another loss, maybe: its runner may have been at another server in between
        lease->deadline_ms = now_ms + table->lost_seal_ms;
        return;
    }
    lease->recovered = lease->recovered || lost || was_lost;
    lease->state = LEASE_HELD;
    lease->deadline_ms = MAX(was_lost ? 0 : lease->deadline_ms, now_ms + table->lease_ms);
}

void lease_restore(struct lease_table *table, int64_t row, uint64_t epoch, bool lost, uint64_t now_ms)
{
    struct lease *lease = lease_find(table, row);
    if (lease) { // its runner came first, or it was this server's before
        if (lease->epoch == epoch)
            lease_begin_again(table, lease, lost, now_ms);
        return;
    }
    lease = lease_add(table, row);
    lease->epoch = epoch;
    lease->state = lost ? LEASE_LOST : LEASE_HELD;
    lease->deadline_ms = now_ms + (lost ? table->lost_seal_ms : table->lease_ms);
}

static enum lease_verdict lease_begin_claim(struct lease *lease, bool was_there)
{
    lease->was_there = was_there;
    lease->before_claim = lease->state;
    lease->state = LEASE_CLAIMING;
    return LEASE_NEW;
}

// A second runner, or the first.
static enum lease_verdict lease_ask_anew(struct lease_table *table, struct lease *lease, int64_t row,
                                         struct lease_stored stored, uint64_t now_ms, uint64_t *ret_former_holder)
{
    bool elsewhere = stored.epoch && !stored.lost; // anybody may claim a lost one
    if (!lease)
        return elsewhere ? LEASE_ELSEWHERE : lease_begin_claim(lease_add(table, row), false);
    if (lease->state == LEASE_HELD && now_ms < lease->deadline_ms && !lease->unspoken)
        return LEASE_TAKEN;
    // Its runner may have gone to another server since, and what is known here be old.
    if (table->shared && elsewhere && !stored.ended && !lease->unspoken)
        return LEASE_ELSEWHERE;
    *ret_former_holder = lease->holder;
    return lease_begin_claim(lease, true);
}

// What this server knows of it, unless the store knows a newer claim, which was another server's. *ret_former_holder:
// the connection that went with that.
static struct lease *lease_current(struct lease_table *table, int64_t row, uint64_t stored_epoch,
                                   uint64_t *ret_former_holder)
{
    struct lease *lease = lease_find(table, row);
    *ret_former_holder = 0;
    if (!lease || lease->state == LEASE_CLAIMING || lease->epoch >= stored_epoch)
        return lease;
    *ret_former_holder = lease->holder;
    lease_end(table, row);
    return NULL;
}

// It has its epoch, or knows it by its key.
static void lease_resume(struct lease *lease, uint64_t holder)
{
    lease->holder = holder;
    lease->unspoken = false;
}

enum lease_verdict lease_connect(struct lease_table *table, int64_t row, uint64_t epoch, struct lease_stored stored,
                                 uint64_t holder, uint64_t now_ms, uint64_t *ret_former_holder)
{
    struct lease *lease = lease_current(table, row, stored.epoch, ret_former_holder);

    // Of a lease that is being claimed here the store may know a newer epoch, which another server has granted.
    if (epoch && epoch != MAX(lease ? lease->epoch : 0, stored.epoch))
        return LEASE_FENCED;
    if (lease && lease->state == LEASE_CLAIMING)
        return LEASE_TAKEN;
    if (!epoch)
        return lease_ask_anew(table, lease, row, stored, now_ms, ret_former_holder);
    // Its runner lives, wherever the lease is now: what was known here must not run out while the store is asked, nor
    // give it to another one.
    if (lease && table->shared)
        lease_begin_again(table, lease, false, now_ms);
    if (!lease || table->shared)
        return LEASE_RETURN;
    *ret_former_holder = lease->holder;
    lease_resume(lease, holder);
    return LEASE_RESUME;
}

enum lease_verdict lease_returned(struct lease_table *table, int64_t row, uint64_t epoch, bool lost, uint64_t holder,
                                  uint64_t now_ms, uint64_t *ret_former_holder)
{
    lease_current(table, row, epoch, ret_former_holder); // one of an older epoch goes
    lease_restore(table, row, epoch, lost, now_ms);
    struct lease *lease = lease_find(table, row);
    if (epoch != lease->epoch)
        return LEASE_FENCED;
    if (lease->state == LEASE_CLAIMING)
        return LEASE_TAKEN;
    if (lease->holder)
        *ret_former_holder = lease->holder;
    lease_resume(lease, holder);
    return LEASE_RESUME;
}

void lease_granted(struct lease_table *table, int64_t row, uint64_t epoch, uint64_t holder, uint64_t now_ms)
{
    struct lease *lease = lease_find(table, row);
    if (!lease)
        lease = lease_add(table, row);
    lease->state = LEASE_HELD;
    lease->epoch = epoch;
    lease->holder = holder;
    lease->has_lag = lease->unspoken = lease->recovered = false;
    lease->deadline_ms = now_ms + table->lease_ms;
}

void lease_refused(struct lease_table *table, int64_t row)
{
    struct lease *lease = lease_find(table, row);
    if (!lease || lease->state != LEASE_CLAIMING)
        return;
    if (lease->was_there)
        lease->state = lease->before_claim;
    else
        lease_end(table, row);
}

bool lease_held_by(const struct lease *lease, uint64_t holder)
{
    return lease->holder == holder && lease->state != LEASE_CLAIMING;
}

bool lease_touch(struct lease_table *table, int64_t row, uint64_t holder, uint64_t now_ms)
{
    struct lease *lease = lease_find(table, row);
    if (!lease || !lease_held_by(lease, holder))
        return false;
    bool was_lost = lease->state == LEASE_LOST || lease->recovered;
    lease->state = LEASE_HELD;
    lease->recovered = false;
    lease->deadline_ms = now_ms + table->lease_ms;
    return was_lost;
}

void lease_change_failed(struct lease_table *table, int64_t row, uint64_t epoch, bool to_lost, uint64_t now_ms)
{
    struct lease *lease = lease_find(table, row);
    if (!lease || lease->epoch != epoch || lease->state != (to_lost ? LEASE_LOST : LEASE_HELD))
        return; // the lease has changed since
    lease->state = LEASE_HELD;
    // If this server could not judge while that was under way, its runner may have been refused, and has the whole time
    // again, as those have that had not run out.
    if (to_lost)
        lease->deadline_ms = table->unsure_ms > 0 ? MAX(now_ms, table->unsure_ms + table->lease_ms) : now_ms;
    else
        lease->recovered = true;
}

void lease_disconnect(struct lease_table *table, int64_t row, uint64_t holder)
{
    struct lease *lease = lease_find(table, row);
    if (lease && lease->holder == holder)
        lease->holder = 0;
}

void lease_abandon(struct lease_table *table, int64_t row, uint64_t holder)
{
    struct lease *lease = lease_find(table, row);
    if (!lease || lease->holder != holder)
        return;
    lease->holder = 0;
    lease->unspoken = true;
}

void lease_end(struct lease_table *table, int64_t row)
{
    struct lease *lease = lease_find(table, row);
    if (!lease)
        return;
    map_remove(&table->leases, &lease->node);
    free(lease);
}

bool lease_forget(struct lease_table *table, int64_t row, uint64_t epoch, uint64_t holder)
{
    struct lease *lease = lease_find(table, row);
    if (!lease || lease->epoch != epoch || lease->holder != holder || lease->state == LEASE_CLAIMING)
        return false;
    lease_end(table, row);
    return true;
}

struct lease_forgetting {
    void (*forgotten)(void *arg, int64_t row, uint64_t holder);
    void *arg;
};

static void lease_forget_one(struct map_node *node, void *arg)
{
    const struct lease *lease = CONTAINER_OF(node, struct lease, node);
    const struct lease_forgetting *forgetting = arg;
    if (lease->holder)
        forgetting->forgotten(forgetting->arg, lease->row, lease->holder);
    lease_drop(node, NULL);
}

void lease_forget_all(struct lease_table *table, void (*forgotten)(void *arg, int64_t row, uint64_t holder), void *arg)
{
    struct lease_forgetting forgetting = {.forgotten = forgotten, .arg = arg};
    map_each(&table->leases, lease_forget_one, &forgetting);
    map_release(&table->leases);
    map_init(&table->leases);
}

struct lease_sweep {
    struct lease_table *table;
    uint64_t now_ms;
    bool may_judge;
    void (*expired)(void *arg, struct lease *lease, enum lease_expiry what);
    void *arg;
};

static void lease_sweep_one(struct map_node *node, void *arg)
{
    struct lease *lease = CONTAINER_OF(node, struct lease, node);
    struct lease_sweep *sweep = arg;

    if (lease->state == LEASE_HELD && !sweep->may_judge)
        lease->deadline_ms = MAX(lease->deadline_ms, sweep->now_ms + sweep->table->lease_ms);
    if (lease->state == LEASE_CLAIMING || sweep->now_ms < lease->deadline_ms || !sweep->may_judge)
        return;
    if (lease->state == LEASE_HELD) {
        lease->state = LEASE_LOST;
        lease->deadline_ms = sweep->now_ms + sweep->table->lost_seal_ms;
        sweep->expired(sweep->arg, lease, LEASE_BECAME_LOST);
        return;
    }
    lease->deadline_ms = sweep->now_ms + SEAL_RETRY_MS;
    sweep->expired(sweep->arg, lease, LEASE_TO_BE_SEALED);
}

void lease_expire(struct lease_table *table, uint64_t now_ms, bool may_judge,
                  void (*expired)(void *arg, struct lease *lease, enum lease_expiry what), void *arg)
{
    struct lease_sweep sweep = {
        .table = table, .now_ms = now_ms, .may_judge = may_judge, .expired = expired, .arg = arg};
    if (!may_judge)
        table->unsure_ms = now_ms;
    map_each(&table->leases, lease_sweep_one, &sweep);
}
