// Jobs and batches. The catalogue has the rules; heads and the end of the log are here.
#include "store/engine/write/commit.h"
#include "store/engine/write/jobs.h"
#include "store/engine/write/outcome.h"

// --- Claim and return

// Everything is decided before anything is written.
static int claim_apply(struct transaction *tx, struct store_job_claim *claim, struct head *head)
{
    struct outcome next = {0};
    if (head->sequence.purged)
        return ERR_EXPIRED;
    int err = catalogue_job_claimable(tx->session.sql, claim->row);
    if (err == 0)
        err = outcome_judge(tx, head, &(struct outcome_ask){.cause = OUTCOME_CLAIMED}, &next);
    if (err < 0)
        return err;
    err = lease_claim(tx, claim->row, claim->node, next.epoch);
    return err < 0 ? err : outcome_store(tx, head, &next);
}

int commit_job_claim(struct transaction *tx, struct store_op *op)
{
    struct store_job_claim *claim = CONTAINER_OF(op, struct store_job_claim, op);
    struct head *head;
    CLEANUP(free_ptr) char *spec = NULL;
    int err = heads_get(&tx->heads, claim->row, &head);
    if (err == 0)
        err = claim_apply(tx, claim, head);
    if (err < 0)
        return commit_refuse(op, err);
    err = catalogue_job_claimed(tx->session.sql, claim->row, claim->worker_id, claim->worker_hostname, &spec,
                                &claim->ret_retry_on_lost);
    if (err == 0)
        err = execution_load_changed(tx, head, &claim->ret_execution);
    if (err == 0)
        claim->ret_execution.spec_json = TAKE_PTR(spec);
    return err;
}

static int return_judge(struct transaction *tx, const struct store_job_return *given, const struct head *head,
                        struct outcome *ret)
{
    int64_t batch;
    if (head->sequence.purged)
        return ERR_EXPIRED;
    if (given->epoch != head->sequence.epoch)
        return ERR_FENCED;
    int err = catalogue_job_batch(tx->session.sql, given->row, &batch); // this tells whether it is a job
    if (err == 0)
        err = outcome_judge(tx, head, &(struct outcome_ask){.cause = OUTCOME_RETURNED}, ret);
    return err == ERR_BAD_TRANSITION || err == ERR_SEALED ? ERR_CONFLICT : err;
}

int commit_job_return(struct transaction *tx, struct store_op *op)
{
    struct store_job_return *given = CONTAINER_OF(op, struct store_job_return, op);
    const struct catalogue_changes changes = job_changes(tx);
    struct outcome next;
    struct head *head;
    int err = heads_get(&tx->heads, given->row, &head);
    if (err == 0)
        err = return_judge(tx, given, head, &next);
    if (err < 0)
        return commit_refuse(op, err);
    err = outcome_store(tx, head, &next);
    if (err == 0)
        err = catalogue_lease_end(tx->session.sql, LEASE_RUNNER, given->row);
    if (err == 0)
        err = catalogue_job_returned(tx->session.sql, given->row, &changes);
    return err < 0 ? err : execution_load_changed(tx, head, &given->ret_execution);
}

// --- Settling, and queuing again

int commit_job_settle(struct transaction *tx, struct store_op *op)
{
    struct store_job_settle *settle = CONTAINER_OF(op, struct store_job_settle, op);
    const struct catalogue_changes changes = job_changes(tx);
    return catalogue_job_settle(tx->session.sql, settle, transaction_now_ms(tx), &changes);
}

int commit_parents_look(struct transaction *tx, struct store_op *op)
{
    return commit_refuse(op, catalogue_parents_look(tx->session.sql, CONTAINER_OF(op, struct store_parents_look, op)));
}

int commit_parents_tell(struct transaction *tx, struct store_op *op)
{
    struct store_parents_tell *tell = CONTAINER_OF(op, struct store_parents_tell, op);
    const struct catalogue_changes changes = job_changes(tx);
    return catalogue_parents_tell(tx->session.sql, tell, &changes);
}

int commit_parents_waiting(struct transaction *tx, struct store_op *op)
{
    struct store_parents_waiting *query = CONTAINER_OF(op, struct store_parents_waiting, op);
    return commit_refuse(op, catalogue_parents_waiting(tx->session.sql, query));
}

static int queue_limit(struct transaction *tx, int64_t account, uint64_t more, uint64_t max)
{
    uint64_t queued = 0;
    int err = max > 0 ? queued_count_get(tx, account, &queued) : 0;
    return err < 0 ? err : max > 0 && queued + more > max ? ERR_RATE : 0;
}

int commit_job_retry(struct transaction *tx, struct store_op *op)
{
    struct store_job_retry *retry = CONTAINER_OF(op, struct store_job_retry, op);
    const struct catalogue_changes changes = job_changes(tx);
    struct head *head;
    int64_t row = 0;
    int err = heads_get(&tx->heads, retry->row, &head);
    if (err == 0 && head->sequence.purged)
        err = ERR_EXPIRED;
    if (err == 0)
        err = queue_limit(tx, head->account, 1, retry->queued_max);
    if (err == 0)
        err = catalogue_job_retry(tx->session.sql, retry->row, transaction_now_ms(tx), &changes, &row);
    if (err < 0)
        return commit_refuse(op, err);
    err = heads_get(&tx->heads, row, &head);
    return err < 0 ? err : execution_load_changed(tx, head, &retry->ret_execution);
}

// --- Batches

int commit_batch_create(struct transaction *tx, struct store_op *op)
{
    struct store_batch_create *create = CONTAINER_OF(op, struct store_batch_create, op);
    return commit_refuse(op, catalogue_batch_create(tx->session.sql, create, transaction_now_ms(tx)));
}

struct adding {
    struct store_batch_add *add;
    int64_t rows[BATCH_ADD_MAX]; // of those that exist already; 0: it is new
    struct job_parents *parents[BATCH_ADD_MAX];
    struct job_new jobs[BATCH_ADD_MAX];
    uint32_t first; // number of the first one that is appended
    size_t more;
};

static bool same_as_earlier(const struct store_batch_add *add, size_t i)
{
    const struct store_create *job = &add->jobs[i];
    for (size_t j = 0; j < i; j++) {
        const struct store_create *other = &add->jobs[j];
        const char *id = job->execution.execution_id, *other_id = other->execution.execution_id;
        if (job->job->batch_index == other->job->batch_index || (id && other_id && strcmp(id, other_id) == 0))
            return true;
    }
    return false;
}

static int adding_judge_one(struct transaction *tx, struct adding *adding, size_t i)
{
    struct store_create *job = &adding->add->jobs[i];
    adding->jobs[i] = *job->job;
    adding->jobs[i].batch = adding->add->row;
    if (adding->add->append)
        adding->jobs[i].batch_index = adding->first + (uint32_t)i;
    adding->add->ret_refused = i;
    job->job = &adding->jobs[i]; // valid until the end of this function
    job->ret_existed = adding->rows[i] != 0;
    if (same_as_earlier(adding->add, i))
        return ERR_CONFLICT;
    if (job->ret_existed)
        return 0;
    adding->more++;
    int err = adding->more == 1 ? catalogue_create_check(tx->session.sql, job)
                                : catalogue_create_check_more(tx->session.sql, job);
    return err < 0 ? err : catalogue_job_judge(tx->session.sql, job, &adding->parents[i]);
}

static int adding_judge(struct transaction *tx, struct adding *adding)
{
    struct store_batch_add *add = adding->add;
    int err = catalogue_batch_judge(tx->session.sql, add, adding->rows, &adding->first);
    for (size_t i = 0; i < add->count && err == 0; i++)
        err = adding_judge_one(tx, adding, i);
    if (err == 0 && adding->more > 0)
        err = queue_limit(tx, add->jobs[0].execution.account, adding->more, add->queued_max);
    return err;
}

static int adding_existing(struct transaction *tx, struct store_create *job, int64_t row)
{
    struct head *head;
    int err = heads_get(&tx->heads, row, &head);
    return err < 0 ? err : create_answer(tx, job, head);
}

static int adding_apply(struct transaction *tx, struct adding *adding)
{
    struct store_batch_add *add = adding->add;
    const struct catalogue_changes changes = job_changes(tx);
    int err = 0;
    for (size_t i = 0; i < add->count && err == 0; i++)
        err = adding->rows[i] != 0 ? adding_existing(tx, &add->jobs[i], adding->rows[i])
                                   : execution_create(tx, &add->jobs[i], adding->parents[i]);
    if (err == 0)
        err = catalogue_batch_added(tx->session.sql, add->row, &changes);
    batch_release(&add->ret_batch);
    return err < 0 ? err : catalogue_batch_get(tx->session.sql, add->row, &add->ret_batch);
}

static void adding_free(struct adding **adding)
{
    struct adding *gone = TAKE_PTR(*adding);
    for (size_t i = 0; i < BATCH_ADD_MAX; i++)
        job_parents_free(&gone->parents[i]);
    free(gone);
}

int commit_batch_add(struct transaction *tx, struct store_op *op)
{
    CLEANUP(adding_free) struct adding *adding = xcalloc(1, sizeof(*adding));
    struct store_batch_add *add = adding->add = CONTAINER_OF(op, struct store_batch_add, op);
    const struct job_new *given[BATCH_ADD_MAX];
    size_t count = MIN(add->count, (size_t)BATCH_ADD_MAX);
    for (size_t i = 0; i < count; i++) {
        create_begin(&add->jobs[i]);
        given[i] = add->jobs[i].job;
    }
    int err = adding_judge(tx, adding);
    err = err < 0 ? commit_refuse(op, err) : adding_apply(tx, adding);
    for (size_t i = 0; i < count; i++)
        add->jobs[i].job = given[i];
    return err;
}

int commit_batch_change(struct transaction *tx, struct store_op *op)
{
    struct store_batch_change *change = CONTAINER_OF(op, struct store_batch_change, op);
    const struct catalogue_changes changes = job_changes(tx);
    int64_t account = 0;
    int err = catalogue_batch_account(tx->session.sql, change->row, &account);
    if (err == 0 && change->retry)
        err = queue_limit(tx, account, 1, change->queued_max);
    if (err == 0)
        err = catalogue_batch_change(tx->session.sql, change, transaction_now_ms(tx), &changes);
    if (err == 0)
        err = cancel_asked(tx, account, change->ret_running, change->ret_running_count, change->reason);
    return err < 0 ? commit_refuse(op, err) : 0;
}

int commit_roster_tell(struct transaction *tx, struct store_op *op)
{
    struct store_roster_tell *tell = CONTAINER_OF(op, struct store_roster_tell, op);
    return commit_refuse(op, catalogue_roster_tell(tx->session.sql, tell));
}

int commit_worker_tell(struct transaction *tx, struct store_op *op)
{
    struct store_worker_tell *tell = CONTAINER_OF(op, struct store_worker_tell, op);
    const struct store_news news = {
        .kind = NEWS_WORKER, .account = tell->account, .value = tell->drains, .words = tell->worker_id};
    return commit_refuse(op, transaction_tell(tx, &news, &(int64_t){0}, 1, NULL));
}
