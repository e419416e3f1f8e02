#include "store/engine/write/jobs.h"

#include "store/engine/write/commit.h"
#include "store/engine/write/outcome.h"

static int change_end(void *arg, int64_t row, enum outcome_cause cause)
{
    struct transaction *tx = arg;
    struct head *head;
    int err = heads_get(&tx->heads, row, &head);
    if (err < 0)
        return err;
    err = outcome_change(tx, head, &(struct outcome_ask){.cause = cause});
    return err == ERR_SEALED || err == ERR_BAD_TRANSITION ? 0 : err; // it has ended by itself
}

static int change_made(void *arg, int64_t row)
{
    struct transaction *tx = arg;
    struct head *head;
    int err = heads_get(&tx->heads, row, &head);
    if (err < 0)
        return err;
    open_count_add(tx, head->account, 1);
    queued_count_add(tx, head->account, 1);
    return mirror_add(tx, row);
}

static int change_changed(void *arg, int64_t row, int64_t batch, bool ready)
{
    struct transaction *tx = arg;
    struct head *head;
    int err = heads_get(&tx->heads, row, &head);
    if (err < 0)
        return err;
    announce_job(tx, head, &(struct job_effect){.batch = batch, .ready = ready});
    return 0;
}

static void change_batch(void *arg, int64_t account, int64_t batch, bool unsettled)
{
    struct transaction *tx = arg;
    transaction_add_change(tx, &(struct store_change){.account = account, .batch = batch, .unsettled = unsettled});
}

struct catalogue_changes job_changes(struct transaction *tx)
{
    return (struct catalogue_changes){
        .arg = tx,
        .end = change_end,
        .made = change_made,
        .changed = change_changed,
        .batch_changed = change_batch,
    };
}
