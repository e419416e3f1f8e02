#include "store/sqlite/write/jobs.h"

#include "store/sqlite/write/outcome.h"

static int change_end(void *arg, int64_t row, enum outcome_cause cause)
{
    struct sqlite_store *store = arg;
    struct head *head;
    int err = heads_get(&store->heads, row, &head);
    if (err < 0)
        return err;
    err = outcome_change(store, head, &(struct outcome_ask){.cause = cause});
    return err == ERR_SEALED || err == ERR_BAD_TRANSITION ? 0 : err; // it has ended by itself
}

static int change_made(void *arg, int64_t row)
{
    struct sqlite_store *store = arg;
    struct head *head;
    int err = heads_get(&store->heads, row, &head);
    if (err < 0)
        return err;
    open_count_add(store, head->account, 1);
    queued_count_add(store, head->account, 1);
    return 0;
}

static int change_changed(void *arg, int64_t row, bool ready)
{
    struct sqlite_store *store = arg;
    struct head *head;
    int64_t batch = 0;
    int err = heads_get(&store->heads, row, &head);
    if (err == 0)
        err = catalogue_job_batch(store->db.sql, row, &batch);
    if (err < 0)
        return err;
    announce_job(store, head, &(struct job_effect){.batch = batch, .ready = ready});
    return 0;
}

static void change_batch(void *arg, int64_t account, int64_t batch, bool unsettled)
{
    struct sqlite_store *store = arg;
    group_add_change(&store->group, &(struct store_change){.account = account, .batch = batch, .unsettled = unsettled});
}

struct catalogue_changes job_changes(struct sqlite_store *store)
{
    return (struct catalogue_changes){
        .arg = store,
        .end = change_end,
        .made = change_made,
        .changed = change_changed,
        .batch_changed = change_batch,
    };
}
