#include "store/engine/write/outcome.h"

#include "store/engine/read/query.h"

// --- Counts, as of the present transaction

static struct open_count *count_slot(struct open_count counts[static OPEN_COUNTS], int64_t account)
{
    return &counts[(uint64_t)account % OPEN_COUNTS];
}

// What ends here may have been made by another server since it was counted.
static void count_add(struct open_count *slot, int64_t account, int by)
{
    if (slot->account == account)
        slot->count = by < 0 && slot->count < (uint64_t)-by ? 0 : slot->count + (uint64_t)(int64_t)by;
}

typedef int count_fn(struct sql *sql, int64_t account, uint64_t *ret_count);

static int count_get(struct transaction *tx, struct open_count *slot, int64_t account, count_fn *counted, uint64_t *ret)
{
    if (slot->account != account) {
        uint64_t count;
        int err = counted(tx->session.sql, account, &count);
        if (err < 0)
            return err;
        *slot = (struct open_count){account, count};
    }
    *ret = slot->count;
    return 0;
}

void open_count_add(struct transaction *tx, int64_t account, int by)
{
    count_add(count_slot(tx->open_counts, account), account, by);
}

int open_count_get(struct transaction *tx, int64_t account, uint64_t *ret)
{
    return count_get(tx, count_slot(tx->open_counts, account), account, catalogue_executions_open, ret);
}

void queued_count_add(struct transaction *tx, int64_t account, int by)
{
    count_add(count_slot(tx->queued_counts, account), account, by);
}

int queued_count_get(struct transaction *tx, int64_t account, uint64_t *ret)
{
    return count_get(tx, count_slot(tx->queued_counts, account), account, catalogue_jobs_queued, ret);
}

// --- The execution

int execution_load_changed(struct transaction *tx, const struct head *head, struct execution *ret)
{
    execution_release(ret);
    int err = execution_load(&tx->session, head->row, ret);
    if (err < 0)
        return err;
    ret->next_sequence = head->state.next;
    ret->digest = head->state.digest;
    ret->message_bytes = head->state.message_bytes;
    return 0;
}

void announce_job(struct transaction *tx, const struct head *head, const struct job_effect *effect)
{
    struct store_change change = head_change(head);
    change.batch = effect->batch;
    change.ready = effect->ready;
    change.unsettled = effect->unsettled;
    transaction_add_row(tx, head->row);
    transaction_add_change(tx, &change);
}

void announce(struct transaction *tx, const struct head *head)
{
    announce_job(tx, head, &(struct job_effect){0});
}

int outcome_judge(struct transaction *tx, const struct head *head, const struct outcome_ask *ask, struct outcome *ret)
{
    struct outcome now = head_outcome(head);
    return outcome_next(&now, ask, transaction_now_ms(tx), ret);
}

// The lease of a lost execution has run out, so anybody may claim it. A sealed log needs no lease.
static int outcome_lease(struct transaction *tx, int64_t row, const struct outcome *now, const struct outcome *next)
{
    struct sql *sql = tx->session.sql;
    int64_t ran_out_ms = 0;
    bool is_lost = next->status == STATUS_LOST, was_lost = now->status == STATUS_LOST;
    if (now->epoch == 0)
        return 0; // it never had a runner
    if (next->sealed)
        return now->sealed ? 0 : catalogue_lease_end(sql, LEASE_RUNNER, row);
    if (is_lost == was_lost)
        return 0;
    int err = is_lost ? transaction_shared_now(tx, &ran_out_ms) : 0;
    return err < 0 ? err : catalogue_lease_deadline(sql, LEASE_RUNNER, row, ran_out_ms);
}

int lease_claim(struct transaction *tx, int64_t row, int64_t node, uint64_t epoch)
{
    const struct node_lease_ask ask = {.cause = NODE_LEASE_CLAIM, .node = node, .epoch = epoch};
    struct node_lease lease;
    int64_t now_ms;
    int err = transaction_shared_now(tx, &now_ms);
    return err < 0 ? err : catalogue_lease_change(tx->session.sql, LEASE_RUNNER, row, &ask, now_ms, &lease);
}

static void count_seal(struct transaction *tx, uint64_t records)
{
    tx->seals++;
    tx->seals_with_records += records > 0;
    tx->sealed_records += records;
}

// A wait that begins is kept, so that it is known when its runner was lost and is back.
static int outcome_wait(struct transaction *tx, int64_t row, const struct outcome *now, const struct outcome *next)
{
    if (now->waits == next->waits)
        return 0;
    return next->waits ? catalogue_waiting_set(tx->session.sql, row, STR("{}"), 0)
                       : catalogue_waiting_end(tx->session.sql, row);
}

int outcome_store(struct transaction *tx, struct head *head, const struct outcome *next)
{
    struct outcome now = head_outcome(head);
    if (outcome_equal(&now, next))
        return 0;
    int err = catalogue_execution_outcome(tx->session.sql, head->row, next, &head->state);
    if (err < 0)
        return err;
    struct job_effect effect = {0};
    err = outcome_lease(tx, head->row, &now, next);
    if (err == 0)
        err = outcome_wait(tx, head->row, &now, next);
    if (err == 0)
        err = catalogue_job_outcome(tx->session.sql, head->row, &now, next, transaction_now_ms(tx), &effect);
    if (err < 0)
        return err;
    if (next->sealed && !now.sealed) {
        open_count_add(tx, head->account, -1);
        count_seal(tx, head->sequence.next);
    }
    queued_count_add(tx, head->account, effect.queued);
    head_set_outcome(head, next);
    announce_job(tx, head, &effect);
    return 0;
}

int cancel_asked(struct transaction *tx, int64_t account, const int64_t *rows, size_t count, struct str reason)
{
    return transaction_tell(tx, &(struct store_news){.kind = NEWS_CANCEL, .account = account, .words = reason}, rows,
                            count, NULL);
}

int cancel_ask(struct transaction *tx, const struct head *head, struct str reason)
{
    int err = catalogue_execution_cancel(tx->session.sql, head->row, reason);
    bool sealed = head->sequence.sealed; // then it has no runner, or one that is fenced
    return err < 0 || sealed ? err : cancel_asked(tx, head->account, &head->row, 1, reason);
}

int outcome_change(struct transaction *tx, struct head *head, const struct outcome_ask *ask)
{
    struct outcome next;
    int err = outcome_judge(tx, head, ask, &next);
    return err < 0 ? err : outcome_store(tx, head, &next);
}
