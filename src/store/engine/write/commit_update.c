// Changes an execution: its outcome, the end of its log, metadata, pin, the wish to cancel it.
#include "store/engine/write/commit.h"
#include "store/engine/write/outcome.h"

// --- The end

// Checks that everything that the runner has sent is there and is the same.
static int complete_whole(const struct store_complete *complete, const struct head *head, uint64_t producer_next)
{
    if (complete->has_final) {
        uint64_t wanted = (uint64_t)(complete->final + 1); // final is -1 without records
        if (wanted > producer_next)
            return ERR_GAP;
        if (wanted < producer_next)
            return ERR_CONFLICT;
    }
    return complete->has_digest && complete->digest != head->state.digest ? ERR_DIGEST : 0;
}

static int complete_apply(struct transaction *tx, struct store_complete *complete, struct head *head)
{
    if (head->sequence.purged)
        return ERR_EXPIRED;
    if (complete->epoch != 0 && complete->epoch != head->sequence.epoch)
        return ERR_FENCED;
    if (complete->producer.len > 0) {
        struct head_producer *producer;
        int err = heads_producer(&tx->heads, head, complete->producer, &producer);
        if (err < 0)
            return err;
        complete->ret_producer = producer->state.sequence;
    }
    if (!head->sequence.sealed) {
        int err = complete_whole(complete, head, complete->ret_producer.next);
        if (err < 0)
            return err;
    }
    bool ends = !status_terminal(head->sequence.status), seals = !head->sequence.sealed;
    int err = outcome_change(tx, head,
                             &(struct outcome_ask){
                                 .cause = OUTCOME_ENDED,
                                 .status = complete->status,
                                 .has_exit_code = complete->has_exit_code,
                                 .exit_code = complete->exit_code,
                                 .completed_ms = complete->completed_ms,
                             });
    if (err == 0 && seals && complete->details.len + complete->result.len > 0)
        err = catalogue_result_set(tx->session.sql, head->row, complete->details, complete->result);
    if (err < 0 || !ends || complete->reason.len == 0)
        return err;
    return catalogue_job_reason(tx->session.sql, head->row, complete->reason);
}

int commit_complete(struct transaction *tx, struct store_op *op)
{
    struct store_complete *complete = CONTAINER_OF(op, struct store_complete, op);
    struct head *head;
    int err = heads_get(&tx->heads, complete->row, &head);
    if (err < 0)
        return commit_refuse(op, err);
    int outcome = complete_apply(tx, complete, head);
    if (outcome < 0 && outcome != ERR_SEALED)
        return commit_refuse(op, outcome);
    op->err = outcome;
    return execution_load_changed(tx, head, &complete->ret_execution);
}

// --- Everything else, as one change

static int update_judge(struct transaction *tx, const struct store_update *update, const struct head *head,
                        struct outcome *ret_outcome, char **ret_metadata)
{
    if (head->sequence.purged)
        return ERR_EXPIRED;
    if (update->epoch != 0 && update->epoch != head->sequence.epoch)
        return ERR_FENCED;
    *ret_outcome = head_outcome(head);
    int err = 0;
    if (update->node != 0) // one that was fenced may not change it
        err = catalogue_lease_stands(tx->session.sql, LEASE_RUNNER, update->row, update->node, 0);
    if (err < 0)
        return err;
    bool quiet = update->has_outcome && update->outcome.cause == OUTCOME_QUIET;
    if (quiet || (update->has_outcome && update->outcome.cause == OUTCOME_GIVEN_UP))
        err = catalogue_account_may_give_up(tx->session.sql, head->account, update->grace_ms, transaction_now_ms(tx));
    if (err == 0 && quiet)
        err = quiet_judge(&update->quiet, head->state.next, head->sequence.status);
    if (err == 0 && update->has_outcome)
        err = outcome_judge(tx, head, &update->outcome, ret_outcome);
    if (err == 0 && update->metadata_patch.len > 0)
        err = catalogue_metadata_judge(tx->session.sql, update->row, update->metadata_patch, update->metadata_max,
                                       ret_metadata);
    return err;
}

static int update_apply(struct transaction *tx, const struct store_update *update, struct head *head,
                        const struct outcome *next, const char *metadata)
{
    struct sql *sql = tx->session.sql;
    struct outcome before = head_outcome(head);
    int err = update->has_pin ? catalogue_execution_pin(sql, update->row, update->pin) : 0;
    if (err == 0 && update->fetched)
        err = catalogue_execution_fetched(sql, update->row);
    if (err == 0 && metadata)
        err = catalogue_metadata_set(sql, head->account, head->row, str_of(metadata));
    if (err == 0)
        err = outcome_store(tx, head, next);
    if (err == 0 && update->cancel_reason.len > 0 && !before.sealed)
        err = cancel_ask(tx, head, update->cancel_reason);
    if (err == 0 && update->waiting.len > 0)
        err = catalogue_waiting_set(sql, head->row, update->waiting, update->waiting_until_ms);
    return err;
}

int commit_update(struct transaction *tx, struct store_op *op)
{
    struct store_update *update = CONTAINER_OF(op, struct store_update, op);
    struct head *head;
    struct outcome next = {0};
    CLEANUP(free_ptr) char *metadata = NULL;
    int err = heads_get(&tx->heads, update->row, &head);
    if (err == 0)
        err = update_judge(tx, update, head, &next, &metadata);
    if (err < 0)
        return commit_refuse(op, err);
    err = update_apply(tx, update, head, &next, metadata);
    return err < 0 ? err : execution_load_changed(tx, head, &update->ret_execution);
}
