// Makes an execution, and gives it to a runner. commit_update.c and purge.c have the rest.
#include "store/engine/write/commit.h"
#include "store/engine/write/jobs.h"
#include "store/engine/write/outcome.h"

// --- Create

void create_begin(struct store_create *create)
{
    free_ptr(&create->ret_reason);
    create->ret_existed = false;
    if (!create->answered)
        return;
    execution_release(&create->execution);
    create->execution = create->asked;
    create->asked = (struct execution){0};
    create->answered = false;
}

int create_answer(struct transaction *tx, struct store_create *create, const struct head *head)
{
    struct execution answer = {0};
    int err = execution_load_changed(tx, head, &answer);
    if (err < 0) {
        execution_release(&answer);
        return err;
    }
    create->asked = create->execution;
    create->execution = answer;
    create->answered = true;
    return 0;
}

// Returns the execution that was made before with the same key.
static int create_again(struct transaction *tx, struct store_create *create, int64_t row)
{
    struct head *head;
    int err = heads_get(&tx->heads, row, &head);
    if (err == 0 && head->sequence.purged)
        return commit_refuse(&create->op, ERR_EXPIRED);
    create->ret_existed = err == 0;
    return err < 0 ? err : create_answer(tx, create, head);
}

static int create_limit(struct transaction *tx, const struct store_create *create)
{
    int64_t account = create->execution.account;
    uint64_t open = 0, queued = 0;
    int err = create->open_max > 0 || create->job ? queued_count_get(tx, account, &queued) : 0;
    if (err == 0 && create->job)
        return create->job->queued_max > 0 && queued >= create->job->queued_max ? ERR_RATE : 0;
    if (err == 0 && create->open_max > 0)
        err = open_count_get(tx, account, &open);
    if (err < 0)
        return err;
    // Jobs that wait for a worker have their own limit.
    return create->open_max > 0 && open - MIN(open, queued) >= create->open_max ? ERR_RATE : 0;
}

// ret_row: the execution that exists already with the same key; 0: there is none, and nothing is in the way.
static int create_judge(struct transaction *tx, struct store_create *create, int64_t *ret_row)
{
    struct sql *sql = tx->session.sql;
    int err = 0;
    *ret_row = 0;
    if (create->idempotency_key.len > 0)
        err = catalogue_create_repeated(sql, create, transaction_now_ms(tx), ret_row);
    if (err == 0 && *ret_row == 0)
        err = catalogue_create_check(sql, create);
    if (err == 0 && *ret_row == 0)
        err = create_limit(tx, create);
    return err;
}

// Makes an execution after create_judge has found nothing in the way.
int execution_create(struct transaction *tx, struct store_create *create, const struct job_parents *parents)
{
    struct execution *execution = &create->execution;
    struct head *head = NULL;
    // After a restore, it may have existed before, and be made a second time.
    execution->restored_from = tx->restored ? 0 : UINT64_MAX;
    int err = catalogue_create(tx->session.sql, create, transaction_now_ms(tx));
    if (err == 0)
        err = heads_get(&tx->heads, execution->row, &head);
    if (err < 0)
        return err;
    open_count_add(tx, execution->account, 1);
    err = mirror_add(tx, execution->row);
    if (err < 0)
        return err;
    if (!create->job) {
        announce(tx, head);
        return 0;
    }
    const struct catalogue_changes changes = job_changes(tx);
    queued_count_add(tx, execution->account, 1);
    err = catalogue_job_create(tx->session.sql, create, parents, &changes);
    return err < 0 ? err : create_answer(tx, create, head);
}

int commit_create(struct transaction *tx, struct store_op *op)
{
    struct store_create *create = CONTAINER_OF(op, struct store_create, op);
    CLEANUP(job_parents_free) struct job_parents *parents = NULL;
    int64_t row;
    create_begin(create);
    int err = create_judge(tx, create, &row);
    if (err == 0 && row != 0)
        return create_again(tx, create, row);
    if (err == 0 && create->job)
        err = catalogue_job_judge(tx->session.sql, create, &parents);
    return err < 0 ? commit_refuse(op, err) : execution_create(tx, create, parents);
}

// --- Claim

// Both are decided before either is written.
static int claim_apply(struct transaction *tx, const struct store_claim *claim, struct head *head)
{
    struct outcome next;
    int err = outcome_judge(tx, head, &(struct outcome_ask){.cause = OUTCOME_CLAIMED}, &next);
    if (err < 0)
        return err;
    err = lease_claim(tx, claim->row, claim->node, next.epoch);
    return err < 0 ? err : outcome_store(tx, head, &next);
}

int commit_claim(struct transaction *tx, struct store_op *op)
{
    struct store_claim *claim = CONTAINER_OF(op, struct store_claim, op);
    struct head *head;
    int err = heads_get(&tx->heads, claim->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    if (head->sequence.purged)
        return commit_refuse(op, ERR_EXPIRED);
    err = claim_apply(tx, claim, head);
    if (err < 0)
        return commit_refuse(op, err);
    if (claim->worker_id.len > 0 || claim->worker_hostname.len > 0 || claim->key.len > 0)
        err = catalogue_execution_claimed(tx->session.sql, claim, head_outcome(head).epoch);
    return err < 0 ? err : execution_load_changed(tx, head, &claim->ret_execution);
}
