// Settling, as store/catalogue/settle.c, dependencies.c and attempts.c do it.
#include "queue.h"

struct settling {
    struct queue *queue;
    struct queue_store *store;
    unsigned budget, settled;
};

// --- What waits for one that is over

static struct queue_wait *wait_of(struct queue_store *store, bool of_batch, int64_t parent)
{
    for (size_t i = 0; i < store->wait_count; i++)
        if (store->waits[i].of_batch == of_batch && store->waits[i].parent == parent)
            return &store->waits[i];
    return NULL;
}

static void judge(struct settling *it, struct queue_wait *wait, bool failed)
{
    struct queue_job *child = &it->store->jobs[wait->child];
    enum dependency_wish wish = wait->wish;
    *wait = it->store->waits[--it->store->wait_count];
    if (child->waits_for == 0)
        return;
    if (dependency_judge(wish, true, failed) == DEPENDENCY_IMPOSSIBLE) {
        outcome_ask_for(it->queue, child, &(struct outcome_ask){.cause = OUTCOME_SKIPPED});
        return;
    }
    child->waits_for--;
    if (child->waits_for == 0)
        job_release_it(it->queue, child);
}

// True if all were judged.
static bool judge_all(struct settling *it, bool of_batch, int64_t parent, bool failed)
{
    struct queue_wait *wait;
    while ((wait = wait_of(it->store, of_batch, parent)) && it->budget > 0) {
        judge(it, wait, failed);
        it->budget--;
    }
    return wait == NULL;
}

// --- A job that has ended

static void attempt_make(struct settling *it, struct queue_job *job, int64_t not_before_ms)
{
    struct queue_job *next = job_add(it->queue, job->task);
    struct queue_batch *batch = &it->store->batches[job->task->batch];
    int64_t now_ms = (int64_t)it->queue->world.now_ms;
    check_superseded(it->queue, job);
    if (job->task->batch != 0)
        batch_count(&batch->counts, &(struct batch_move){.from = job->outcome.status, .to = STATUS_COUNT});
    job->state = JOB_ENDED;
    job->superseded_by = next->row;
    next->root = job->root;
    next->tries = job->tries + 1;
    next->not_before_ms = not_before_ms > now_ms ? not_before_ms : 0;
    next->state = next->not_before_ms ? JOB_DELAYED : JOB_HELD;
    job_place_in_line(it->queue, next, &(struct batch_move){.from = STATUS_COUNT, .to = STATUS_QUEUED});
    trace(&it->queue->world, "store: job %lld is tried again as %lld", (long long)job->row, (long long)next->row);
    if (job->task->batch != 0 && (batch->cancelled || batch->stopped))
        outcome_ask_for(it->queue, next,
                        &(struct outcome_ask){.cause = batch->cancelled ? OUTCOME_CANCELLED : OUTCOME_SKIPPED});
}

static void settle_last(struct settling *it, struct queue_job *job)
{
    bool may_come_back = job->outcome.status == STATUS_LOST && !job->outcome.sealed;
    job->state = may_come_back ? JOB_LOST : JOB_ENDED;
    if (may_come_back || judge_all(it, false, job->root, job->outcome.status != STATUS_COMPLETED))
        it->store->job_endings[job->row] = false;
}

static void settle_job(struct settling *it, struct queue_job *job)
{
    const struct queue_batch *batch = &it->store->batches[job->task->batch];
    struct retry_attempt attempt = {.number = job->tries, .outcome = &job->outcome};
    attempt.unwanted = job->cancel_asked || (job->task->batch != 0 && (batch->cancelled || batch->stopped));
    struct retry_verdict verdict = {0};
    if (job->state != JOB_ENDED)
        verdict = retry_decide(&job->task->retry, &attempt);
    if (!verdict.again) {
        settle_last(it, job);
        return;
    }
    if (job->outcome.status == STATUS_LOST && !job->outcome.sealed)
        job->cancel_asked = true; // its runner may come back
    int64_t now_ms = (int64_t)it->queue->world.now_ms, ended_ms = job->outcome.completed_ms;
    attempt_make(it, job, (ended_ms > 0 ? MIN(ended_ms, now_ms) : now_ms) + verdict.delay_ms);
    it->store->job_endings[job->row] = false;
}

static void settle_execution(struct settling *it, int64_t row)
{
    struct queue_job *job = &it->store->jobs[row];
    bool pending = (job->state == JOB_OVER || job->state == JOB_ENDED) && job->superseded_by == 0;
    if (pending)
        settle_job(it, job);
    else
        it->store->job_endings[row] = false;
    if (job->task->batch != 0)
        it->store->batch_endings[job->task->batch] = true;
}

// --- A batch in which something has ended

unsigned end_unclaimed_of(struct queue *queue, int64_t batch, unsigned max)
{
    struct queue_store *store = &queue->store;
    bool cancelled = store->batches[batch].cancelled;
    enum outcome_cause cause = cancelled ? OUTCOME_CANCELLED : OUTCOME_SKIPPED;
    unsigned count = 0;
    for (int64_t row = 1; row <= store->last_row && count < max; row++) {
        struct queue_job *job = &store->jobs[row];
        bool nobodys = job->state < JOB_CLAIMED || (cancelled && job->state == JOB_LOST);
        if (job->task->batch != batch || !nobodys)
            continue;
        outcome_ask_for(queue, job, &(struct outcome_ask){.cause = cause});
        count++;
    }
    return count;
}

static unsigned fill_places(struct settling *it, int64_t batch_row, unsigned max)
{
    const struct queue_batch *batch = &it->store->batches[batch_row];
    int64_t free_places = (int64_t)batch->limits.parallel - batch->active;
    unsigned count = 0;
    if (batch->limits.parallel == 0 || free_places <= 0)
        return 0;
    for (int64_t row = 1; row <= it->store->last_row && count < MIN(free_places, (int64_t)max); row++) {
        struct queue_job *job = &it->store->jobs[row];
        if (job->task->batch != batch_row || job->state != JOB_HELD || job->waits_for > 0)
            continue;
        job_release_it(it->queue, job);
        count++;
    }
    return count;
}

static void stop_if_due(struct settling *it, int64_t row)
{
    struct queue_batch *batch = &it->store->batches[row];
    if (batch->stopped || batch->cancelled || !batch_has_failed_too_often(it->queue, row))
        return;
    for (int64_t i = 1; i <= it->store->last_row; i++)
        if (it->store->jobs[i].task->batch == row && it->store->jobs[i].state == JOB_OVER)
            return; // it may be tried again
    trace(&it->queue->world, "store: batch %lld stops", (long long)row);
    batch->stopped = true;
    check_stopped(it->queue, row);
}

static void settle_batch(struct settling *it, int64_t row)
{
    struct queue_batch *batch = &it->store->batches[row];
    unsigned max = it->budget, count;
    stop_if_due(it, row);
    count = batch->stopped || batch->cancelled ? end_unclaimed_of(it->queue, row, max) : fill_places(it, row, max);
    it->budget -= count;
    if (count == max)
        return; // there may be more
    bool failed = batch->counts.of[STATUS_COMPLETED] < batch_total(&batch->counts);
    if (!batch_over(it->queue, row) || judge_all(it, true, row, failed))
        it->store->batch_endings[row] = false;
}

// --- All of them

static void settle_due(struct settling *it)
{
    for (int64_t row = 1; row <= it->store->last_row; row++) {
        struct queue_job *job = &it->store->jobs[row];
        if (job->state != JOB_DELAYED || job->not_before_ms > (int64_t)it->queue->world.now_ms)
            continue;
        job_release_it(it->queue, job);
        it->settled++;
    }
}

unsigned queue_settle(struct queue *queue)
{
    struct queue_store *store = &queue->store;
    struct settling it = {.queue = queue, .store = store, .budget = store->steps_max};
    unsigned left = store->endings_max;
    settle_due(&it);
    for (int64_t row = 1; row <= store->last_row && it.budget > 0 && left > 0; row++) {
        if (!store->job_endings[row])
            continue;
        settle_execution(&it, row);
        it.settled++;
        left--;
    }
    for (int64_t row = 1; row <= QUEUE_BATCHES && it.budget > 0; row++) {
        if (!store->batch_endings[row])
            continue;
        settle_batch(&it, row);
        it.settled++;
    }
    return it.settled;
}
