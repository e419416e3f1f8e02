#include "store/sqlite/write/outcome.h"

#include "store/sqlite/read/query.h"

// --- Counts, as of the present transaction

static struct open_count *count_slot(struct open_count counts[static OPEN_COUNTS], int64_t account)
{
    return &counts[(uint64_t)account % OPEN_COUNTS];
}

static void count_add(struct open_count *slot, int64_t account, int by)
{
    if (slot->account == account)
        slot->count += (uint64_t)(int64_t)by;
}

typedef int count_fn(struct sql *sql, int64_t account, uint64_t *ret_count);

static int count_get(struct sqlite_store *store, struct open_count *slot, int64_t account, count_fn *counted,
                     uint64_t *ret)
{
    if (slot->account != account) {
        uint64_t count;
        int err = counted(store->db.sql, account, &count);
        if (err < 0)
            return err;
        *slot = (struct open_count){account, count};
    }
    *ret = slot->count;
    return 0;
}

void open_count_add(struct sqlite_store *store, int64_t account, int by)
{
    count_add(count_slot(store->open_counts, account), account, by);
}

int open_count_get(struct sqlite_store *store, int64_t account, uint64_t *ret)
{
    return count_get(store, count_slot(store->open_counts, account), account, catalogue_executions_open, ret);
}

void queued_count_add(struct sqlite_store *store, int64_t account, int by)
{
    count_add(count_slot(store->queued_counts, account), account, by);
}

int queued_count_get(struct sqlite_store *store, int64_t account, uint64_t *ret)
{
    return count_get(store, count_slot(store->queued_counts, account), account, catalogue_jobs_queued, ret);
}

// --- The execution

int execution_load_changed(struct sqlite_store *store, const struct head *head, struct execution *ret)
{
    execution_release(ret);
    int err = execution_load(store, &store->db, head->row, ret);
    if (err < 0)
        return err;
    ret->next_sequence = head->state.next;
    ret->digest = head->state.digest;
    ret->message_bytes = head->state.message_bytes;
    return 0;
}

void announce_job(struct sqlite_store *store, const struct head *head, const struct job_effect *effect)
{
    struct store_change change = head_change(head);
    change.batch = effect->batch;
    change.ready = effect->ready;
    change.unsettled = effect->unsettled;
    if (store_version_begin(&store->base, head->row))
        group_add_row(&store->group, head->row);
    group_add_change(&store->group, &change);
}

void announce(struct sqlite_store *store, const struct head *head)
{
    announce_job(store, head, &(struct job_effect){0});
}

int outcome_judge(struct sqlite_store *store, const struct head *head, const struct outcome_ask *ask,
                  struct outcome *ret)
{
    struct outcome now = head_outcome(head);
    return outcome_next(&now, ask, store_now_ms(store), ret);
}

// The lease of a lost execution has run out, so anybody may claim it. A sealed log needs no lease.
static int outcome_lease(struct sqlite_store *store, int64_t row, const struct outcome *now, const struct outcome *next)
{
    struct sql *sql = store->db.sql;
    bool is_lost = next->status == STATUS_LOST, was_lost = now->status == STATUS_LOST;
    if (now->epoch == 0)
        return 0; // it never had a runner
    if (next->sealed)
        return now->sealed ? 0 : catalogue_lease_end(sql, LEASE_RUNNER, row);
    return is_lost == was_lost ? 0
                               : catalogue_lease_deadline(sql, LEASE_RUNNER, row, is_lost ? store_now_ms(store) : 0);
}

static void count_seal(struct group *group, uint64_t records)
{
    group->seals++;
    group->seals_with_records += records > 0;
    group->sealed_records += records;
}

// A wait that begins is kept, so that it is known when its runner was lost and is back.
static int outcome_wait(struct sqlite_store *store, int64_t row, const struct outcome *now, const struct outcome *next)
{
    if (now->waits == next->waits)
        return 0;
    return next->waits ? catalogue_waiting_set(store->db.sql, row, STR("{}"), 0)
                       : catalogue_waiting_end(store->db.sql, row);
}

int outcome_store(struct sqlite_store *store, struct head *head, const struct outcome *next)
{
    struct outcome now = head_outcome(head);
    if (outcome_equal(&now, next))
        return 0;
    int err = catalogue_execution_outcome(store->db.sql, head->row, next, &head->state);
    if (err < 0)
        return err;
    struct job_effect effect = {0};
    err = outcome_lease(store, head->row, &now, next);
    if (err == 0)
        err = outcome_wait(store, head->row, &now, next);
    if (err == 0)
        err = catalogue_job_outcome(store->db.sql, head->row, &now, next, store_now_ms(store), &effect);
    if (err < 0)
        return err;
    if (next->sealed && !now.sealed) {
        open_count_add(store, head->account, -1);
        count_seal(&store->group, head->sequence.next);
    }
    queued_count_add(store, head->account, effect.queued);
    head_set_outcome(head, next);
    announce_job(store, head, &effect);
    return 0;
}

int outcome_change(struct sqlite_store *store, struct head *head, const struct outcome_ask *ask)
{
    struct outcome next;
    int err = outcome_judge(store, head, ask, &next);
    return err < 0 ? err : outcome_store(store, head, &next);
}
