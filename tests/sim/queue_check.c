// What must hold in the queue, found out beside the rules that are looked at.
#include "queue.h"

// --- Retries

// As retry_decide, without delays and counted by hand.
static bool rule_covers(const struct retry_rule *rule, const struct outcome *outcome)
{
    static const struct retry_rule none = {0};
    bool any = !rule->any_failure && !rule->timed_out && !rule->lost && rule->signals == none.signals &&
               memcmp(rule->exit_codes, none.exit_codes, sizeof(none.exit_codes)) == 0;
    if (outcome->status == STATUS_TIMED_OUT)
        return any || rule->timed_out;
    if (outcome->status == STATUS_LOST)
        return any || rule->lost;
    if (outcome->status != STATUS_FAILED)
        return false;
    int code = outcome->exit_code;
    return any || rule->any_failure || (code < 128 && rule->exit_codes[code / 8] >> (code % 8) & 1) ||
           (code > 128 && rule->signals >> (code - 128) & 1);
}

// --- Who runs what

static struct gift *gift_of(struct queue_job *job, uint64_t epoch)
{
    for (unsigned i = 0; i < job->gift_count; i++)
        if (job->gifts[i].epoch == epoch)
            return &job->gifts[i];
    return NULL;
}

void check_given(struct queue *queue, const struct queue_worker *worker, int64_t row, uint64_t epoch)
{
    struct queue_job *job = &queue->store.jobs[row];
    const struct gift *given = gift_of(job, epoch);
    if (given)
        violate(&queue->world, "job %lld is given to worker %u, and was to worker %u under the same epoch %llu",
                (long long)row, worker->number, given->worker, (unsigned long long)epoch);
    else if (job->gift_count < GIFTS_MAX)
        job->gifts[job->gift_count++] = (struct gift){.epoch = epoch, .worker = worker->number};
    else
        job->gifts[(epoch - 1) % GIFTS_MAX] = (struct gift){.epoch = epoch, .worker = worker->number};
}

static bool tried_when_lost(const struct queue_job *job)
{
    return job->tries <= job->task->retry.retries &&
           rule_covers(&job->task->retry, &(struct outcome){.status = STATUS_LOST});
}

// Runs that are to end when they are lost. A machine that stands still, or has just gone on, does nothing of that.
static bool process_counts(const struct queue *queue, const struct queue_worker *worker, const struct queue_run *run)
{
    const struct queue_job *job = &queue->store.jobs[run->row];
    return run->used && run->running && tried_when_lost(job) &&
           worker->machine_paused_until_ms + 100 < queue->world.now_ms;
}

static void check_alone(struct queue *queue, const struct queue_job *job)
{
    for (unsigned i = 0; i < queue->worker_count; i++)
        for (unsigned j = 0; j < WORKER_RUNS; j++) {
            const struct queue_run *run = &queue->workers[i].runs[j];
            const struct queue_job *other = &queue->store.jobs[run->row];
            if (!process_counts(queue, &queue->workers[i], run) || other->root != job->root || other->row == job->row)
                continue;
            violate(&queue->world, "job %lld runs, and %lld, which is the same one, does so on worker %u",
                    (long long)job->row, (long long)other->row, i);
        }
}

// As time passes: what stood still when another attempt began has ended as it went on.
void check_running(struct queue *queue)
{
    for (unsigned i = 0; i < queue->worker_count; i++)
        for (unsigned j = 0; j < WORKER_RUNS; j++)
            if (process_counts(queue, &queue->workers[i], &queue->workers[i].runs[j]))
                check_alone(queue, &queue->store.jobs[queue->workers[i].runs[j].row]);
}

void check_rested(struct queue *queue, const struct queue_server *server, int64_t row, unsigned worker)
{
    uint64_t returned_ms = queue->store.jobs[row].returned_ms[server->number][worker];
    if (returned_ms > 0 && queue->world.now_ms < returned_ms + 1000)
        violate(&queue->world, "worker %u has given job %lld back, and is to get it again at once", worker,
                (long long)row);
}

void check_begun(struct queue *queue, const struct queue_worker *worker, int64_t row, uint64_t epoch)
{
    struct queue_job *job = &queue->store.jobs[row];
    struct gift *given = gift_of(job, epoch);
    if (!given || given->worker != worker->number)
        violate(&queue->world, "worker %u begins job %lld, which it was not given", worker->number, (long long)row);
    else if (given->begun)
        violate(&queue->world, "job %lld runs twice under epoch %llu", (long long)row, (unsigned long long)epoch);
    else
        given->begun = true;
    if (job->processes > 0)
        violate(&queue->world, "job %lld begins, and runs already", (long long)row);
    check_alone(queue, job);
}

// --- What depends on what

static bool wait_is_met(struct queue *queue, const struct task_wait *wait)
{
    if (wait->of_batch) {
        bool all = true;
        for (int64_t row = 1; row <= queue->store.last_row; row++) {
            const struct queue_job *job = &queue->store.jobs[row];
            if (job->task->batch != wait->parent || job->superseded_by != 0)
                continue;
            if (!outcome_over(&job->outcome))
                return false;
            all = all && job->outcome.status == STATUS_COMPLETED;
        }
        return wait->wish == DEPENDENCY_ANY || (wait->wish == DEPENDENCY_OK) == all;
    }
    const struct queue_job *parent = newest_of(queue, wait->parent);
    if (!outcome_over(&parent->outcome))
        return false;
    bool good = parent->outcome.status == STATUS_COMPLETED;
    return wait->wish == DEPENDENCY_ANY || (wait->wish == DEPENDENCY_OK) == good;
}

static bool waits_are_met(struct queue *queue, const struct task *task)
{
    for (unsigned i = 0; i < task->wait_count; i++)
        if (!wait_is_met(queue, &task->waits[i]))
            return false;
    return true;
}

void check_known(struct queue *queue, unsigned worker)
{
    for (int64_t row = 1; row <= queue->store.last_row && queue->quiet; row++) {
        struct queue_job *job = &queue->store.jobs[row];
        const struct gift *gift = gift_of(job, job->outcome.epoch);
        bool never = job->worker == worker && !(gift && gift->begun);
        job->disowned |= never && job->outcome.status == STATUS_LOST && !job->outcome.sealed;
    }
}

void check_superseded(struct queue *queue, const struct queue_job *job)
{
    if (job->superseded_by != 0)
        violate(&queue->world, "job %lld has two successors", (long long)job->row);
    if (!rule_covers(&job->task->retry, &job->outcome) || job->tries > job->task->retry.retries)
        violate(&queue->world, "job %lld is tried again against its rule", (long long)job->row);
}

static void check_margin(struct queue *queue, const struct queue_job *job)
{
    for (int64_t row = 1; row < job->row; row++) {
        const struct queue_job *before = &queue->store.jobs[row];
        bool was_lost = before->superseded_by == job->row && before->was_lost && before->outcome.status == STATUS_LOST;
        if (was_lost && !before->outcome.sealed &&
            (int64_t)queue->world.now_ms < before->lost_ms + RETRY_LOST_MARGIN_MS)
            violate(&queue->world, "job %lld starts before the margin is over since %lld was lost", (long long)job->row,
                    (long long)row);
    }
}

// --- At a claim

// A lost job has failed once it is sealed.
static bool has_failed(const struct outcome *outcome)
{
    return outcome->status == STATUS_FAILED || outcome->status == STATUS_CANCELLED ||
           outcome->status == STATUS_TIMED_OUT || (outcome->status == STATUS_LOST && outcome->sealed);
}

static bool fails_too_often(const struct queue *queue, int64_t number)
{
    const struct queue_batch *batch = &queue->store.batches[number];
    uint64_t failed = 0, total = 0;
    for (int64_t row = 1; row <= queue->store.last_row; row++) {
        const struct queue_job *other = &queue->store.jobs[row];
        if (other->task->batch != number || other->superseded_by != 0)
            continue;
        total++;
        failed += has_failed(&other->outcome);
    }
    uint64_t most =
        batch->limits.max_fails_is_percent ? batch->limits.max_fails * total / 100 : batch->limits.max_fails;
    return batch->limits.has_max_fails && failed > most;
}

static void check_fails(struct queue *queue, const struct queue_job *job)
{
    if (fails_too_often(queue, job->task->batch))
        violate(&queue->world, "job %lld starts after more failures than its batch may have", (long long)job->row);
    if (queue->store.batches[job->task->batch].cancelled)
        violate(&queue->world, "job %lld starts after its batch was cancelled", (long long)job->row);
}

void check_stopped(struct queue *queue, int64_t batch)
{
    if (!fails_too_often(queue, batch))
        violate(&queue->world, "batch %lld stops, and not too many of its jobs have failed", (long long)batch);
}

void check_claimed(struct queue *queue, struct queue_job *job)
{
    if (!waits_are_met(queue, job->task))
        violate(&queue->world, "job %lld starts before its parents allow it", (long long)job->row);
    if (job->superseded_by != 0 || outcome_over(&job->outcome) || job->cancel_asked)
        violate(&queue->world, "job %lld starts, and nobody wants it any more", (long long)job->row);
    if (job->task->batch != 0)
        check_fails(queue, job);
    check_margin(queue, job);
    for (unsigned i = 0; i < job->task->wait_count; i++)
        if (!job->task->waits[i].of_batch)
            job->parents[i] = newest_of(queue, job->task->waits[i].parent)->row;
}

// What is to be run again relies on its lease no longer.
static void check_no_longer_alive(struct queue *queue, const struct queue_run *run, int64_t row)
{
    if (run->used && run->running && run->row == row && run->retry_on_lost &&
        life_until_ms(&run->life, LEASE_MS) > queue->world.now_ms)
        violate(&queue->world, "job %lld is called lost, and its runner is to go on until %llu", (long long)row,
                (unsigned long long)life_until_ms(&run->life, LEASE_MS));
}

// When it was asked for, the lease's time had passed since the server heard of it.
void check_silent(struct queue *queue, const struct queue_op *op)
{
    for (unsigned i = 0; i < queue->worker_count; i++)
        for (unsigned j = 0; j < WORKER_RUNS; j++)
            check_no_longer_alive(queue, &queue->workers[i].runs[j], op->row);
    if (op->asked_ms < op->heard_ms + LEASE_MS)
        violate(&queue->world, "job %lld is called lost, and was heard of", (long long)op->row);
}

// --- After each transaction

static void check_batch(struct queue *queue, int64_t number)
{
    const struct queue_batch *batch = &queue->store.batches[number];
    uint64_t of[STATUS_COUNT] = {0}, running = 0;
    int64_t active = 0;
    for (int64_t row = 1; row <= queue->store.last_row; row++) {
        const struct queue_job *job = &queue->store.jobs[row];
        if (job->task->batch != number || job->superseded_by != 0)
            continue;
        of[job->outcome.status]++;
        active += job->state == JOB_READY || job->state == JOB_CLAIMED;
        running += job->outcome.status == STATUS_RUNNING && !job->came_back;
    }
    if (memcmp(of, batch->counts.of, sizeof(of)) != 0)
        violate(&queue->world, "the counts of batch %lld are not those of its jobs", (long long)number);
    if (active != batch->active)
        violate(&queue->world, "batch %lld has %lld places taken, and thinks %lld", (long long)number,
                (long long)active, (long long)batch->active);
    if (batch->limits.parallel > 0 && running > batch->limits.parallel)
        violate(&queue->world, "%llu jobs of batch %lld run at once", (unsigned long long)running, (long long)number);
}

void check_store(struct queue *queue)
{
    for (unsigned i = 1; i <= queue->batch_count; i++)
        check_batch(queue, i);
}

// --- At the end

bool queue_settled(const struct queue *queue)
{
    const struct queue_store *store = &queue->store;
    for (int64_t row = 1; row <= store->last_row; row++)
        if (store->jobs[row].state != JOB_ENDED || !outcome_over(&store->jobs[row].outcome) || store->job_endings[row])
            return false;
    for (unsigned i = 1; i <= queue->batch_count; i++)
        if (store->batch_endings[i])
            return false;
    return store->wait_count == 0;
}

static bool batch_was_ended(const struct queue *queue, const struct queue_job *job)
{
    const struct queue_batch *batch = &queue->store.batches[job->task->batch];
    return job->task->batch != 0 && (batch->stopped || batch->cancelled);
}

static void check_end_of(struct queue *queue, const struct queue_job *job)
{
    struct world *world = &queue->world;
    long long row = (long long)job->row;
    bool claimed = job->outcome.epoch > 0, last = job->superseded_by == 0;
    if (job->state != JOB_ENDED || !outcome_over(&job->outcome))
        violate(world, "job %lld is forgotten: it is %s and %s", row, job_state_word(job->state),
                status_word(job->outcome.status));
    if (last && job->outcome.status == STATUS_SKIPPED && !batch_was_ended(queue, job) &&
        waits_are_met(queue, job->task))
        violate(world, "job %lld was skipped, and its parents allow it", row);
    if (last && claimed && !waits_are_met(queue, job->task))
        violate(world, "job %lld has run, and its parents do not allow it", row);
    if (last && job->tries <= job->task->retry.retries && rule_covers(&job->task->retry, &job->outcome) &&
        !job->cancel_asked && !batch_was_ended(queue, job))
        violate(world, "job %lld was not tried again", row);
    if (job->outcome.status == STATUS_COMPLETED && (!job->told || job->told_status != STATUS_COMPLETED))
        violate(world, "job %lld is completed, and nobody has said so", row);
    if (last && job->told && job->outcome.status != job->told_status && !job->cancel_asked && !job->was_lost)
        violate(world, "job %lld ended as %s, and is %s", row, status_word(job->told_status),
                status_word(job->outcome.status));
    for (unsigned i = 0; claimed && i < job->task->wait_count; i++)
        if (job->parents[i] != 0 && newest_of(queue, job->task->waits[i].parent)->row != job->parents[i])
            violate(world, "job %lld started, and its parent was tried again after that", row);
}

// In peace its worker comes back with what it has begun.
static void check_heard(struct queue *queue, struct queue_job *job)
{
    const struct gift *gift = gift_of(job, job->outcome.epoch);
    bool lost = job->outcome.status == STATUS_LOST && job->outcome.sealed && !job->told;
    if (lost && job->disowned && job->superseded_by == 0)
        violate(&queue->world, "job %lld is given up, and its worker has said that it never had it",
                (long long)job->row);
    if (!lost || !gift || !gift->begun)
        return;
    uint64_t there_ms = MAX(queue->quiet_ms, queue->workers[gift->worker].paused_until_ms);
    if (job->outcome.sealed_ms > (int64_t)there_ms + 60000)
        violate(&queue->world, "job %lld is given up, and its worker is there", (long long)job->row);
}

// Everything is over: each worker has all its slots.
static void check_slots(struct queue *queue)
{
    for (unsigned i = 0; i < queue->server_count; i++)
        for (unsigned j = 0; j < queue->worker_count; j++) {
            const struct offer *offer = match_offer(&queue->servers[i].match, str_of(queue->workers[j].id));
            if (offer && offer->slots_free != offer->slots)
                violate(&queue->world, "server %u counts %u of %u slots of worker %u as free, and nothing runs", i,
                        offer->slots_free, offer->slots, j);
        }
}

void check_queue_end(struct queue *queue)
{
    for (int64_t row = 1; row <= queue->store.last_row; row++) {
        check_end_of(queue, &queue->store.jobs[row]);
        check_heard(queue, &queue->store.jobs[row]);
    }
    if (!queue_settled(queue))
        violate(&queue->world, "something is never settled");
    check_slots(queue);
}
