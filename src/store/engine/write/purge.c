#include "store/engine/write/purge.h"

#include "store/engine/write/commit.h"
#include "store/engine/write/jobs.h"
#include "store/engine/write/outcome.h"

#define PURGE_AT_ONCE 64 // executions

static int purge_sealed(struct transaction *tx, struct head *head)
{
    // What follows from its end is carried out before it is forgotten.
    const struct catalogue_changes changes = job_changes(tx);
    int err = catalogue_job_settle_one(tx->session.sql, head->row, transaction_now_ms(tx), &changes);
    if (err == 0)
        err = catalogue_execution_purge(tx->session.sql, head->row);
    if (err == 0)
        err = tx->session.engine->log->purge(tx, head->row);
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
    return err < 0 ? err : purge_sealed(tx, head);
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
    return err < 0 ? commit_refuse(op, err) : purge_sealed(tx, head);
}

int account_purge_slice(struct transaction *tx, size_t most, bool *ret_more)
{
    int64_t rows[PURGE_AT_ONCE], account;
    size_t count;
    int err = catalogue_account_purging(tx->session.sql, &account);
    *ret_more = err < 0 || account != 0;
    if (err < 0 || account == 0)
        return err;
    err = catalogue_account_holds(tx->session.sql, account, MIN(most, PURGE_AT_ONCE), rows, &count);
    if (err == 0 && count == 0)
        return catalogue_account_purged(tx->session.sql, account);
    for (size_t i = 0; i < count && err == 0; i++)
        err = execution_purge(tx, rows[i]);
    return err;
}
