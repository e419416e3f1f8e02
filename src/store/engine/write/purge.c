#include "store/engine/write/purge.h"

#include "store/engine/write/commit.h"
#include "store/engine/write/jobs.h"
#include "store/engine/write/outcome.h"

#define PURGE_CHUNKS 32 // with so many, no further execution is begun

static int purge_sealed(struct transaction *tx, struct head *head, bool by_age)
{
    // What follows from its end is carried out before it is forgotten.
    const struct catalogue_changes changes = job_changes(tx);
    int err = catalogue_job_settle_one(tx->session.sql, head->row, transaction_now_ms(tx), &changes);
    if (err == 0)
        err = catalogue_execution_purge(tx->session.sql, head->row);
    if (err == 0)
        err = tx->session.engine->log->purge(tx, head->row, by_age);
    if (err < 0)
        return err;
    head->sequence.purged = true;
    tx->purges = true;
    announce(tx, head);
    return 0;
}

// An execution that is not sealed is sealed here: as cancelled, unless its outcome is known.
static int execution_purge(struct transaction *tx, int64_t row)
{
    struct head *head;
    int err = heads_get(&tx->heads, row, &head);
    if (err < 0 || head->sequence.purged)
        return err;
    const struct outcome_ask end = {.cause = OUTCOME_ENDED, .status = STATUS_CANCELLED};
    if (!head->sequence.sealed)
        err = outcome_change(tx, head, &end);
    return err < 0 ? err : purge_sealed(tx, head, false);
}

int commit_purge(struct transaction *tx, struct store_op *op)
{
    struct store_purge *purge = CONTAINER_OF(op, struct store_purge, op);
    struct head *head;
    int err = heads_get(&tx->heads, purge->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    if (head->sequence.purged)
        return 0;
    err = head->sequence.sealed ? 0 : ERR_CONFLICT;
    if (err == 0 && purge->rules)
        err = catalogue_retention_lets_go(tx->session.sql, purge->row, purge->rules, purge->by_limits,
                                          transaction_now_ms(tx));
    return err < 0 ? commit_refuse(op, err) : purge_sealed(tx, head, purge->rules && !purge->by_limits);
}

// --- Slices

// Deletes some chunks of one purged execution, and with the last ones what else is left of it. Returns 1 if there was
// one.
static int purge_one(struct transaction *tx, uint64_t *ret_chunks)
{
    const struct log_engine *log = tx->session.engine->log;
    int64_t row;
    bool more = false;
    int rc = log->purge_next(tx, &row);
    if (rc <= 0)
        return rc;
    int err = log->purge_chunks(tx, row, ret_chunks);
    if (err == 0 && *ret_chunks == 0)
        err = catalogue_events_forget(tx->session.sql, row, &more);
    if (err == 0 && *ret_chunks == 0 && !more)
        err = catalogue_cold_forget(tx->session.sql, row, UINT64_MAX, &more);
    if (more)
        *ret_chunks = PURGE_CHUNKS;
    else if (err == 0 && *ret_chunks == 0)
        err = log->purge_end(tx, row);
    return err < 0 ? err : 1;
}

// Purges executions of a deleted account. *ret_more: there was such an account.
static int purge_account(struct transaction *tx, size_t most, bool *ret_more)
{
    int64_t rows[PURGE_AT_ONCE], account;
    size_t count;
    int err = catalogue_account_purging(tx->session.sql, &account);
    *ret_more = err < 0 || account != 0;
    if (err < 0 || account == 0)
        return err;
    err = catalogue_account_holds(tx->session.sql, account, most, rows, &count);
    if (err == 0 && count == 0)
        return catalogue_account_purged(tx->session.sql, account);
    for (size_t i = 0; i < count && err == 0; i++)
        err = execution_purge(tx, rows[i]);
    return err;
}

int purge_slice(struct transaction *tx, unsigned most, bool *ret_more)
{
    uint64_t chunks = 0;
    int rc = 1;
    most = MIN(most, (unsigned)PURGE_AT_ONCE);
    for (unsigned i = 0; i < most && chunks < PURGE_CHUNKS && rc > 0; i++) {
        uint64_t gone = 0;
        rc = purge_one(tx, &gone);
        chunks += gone;
    }
    *ret_more = true;
    return rc == 0 ? purge_account(tx, most, ret_more) : MIN(rc, 0);
}
