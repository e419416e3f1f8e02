// The store of the queue: what store/catalogue and the adapters do around the rules of model/, in its shortest form.
#include "queue.h"

// --- Outcomes, as outcome_store and catalogue_job_outcome

static void count_in_batch(struct queue *queue, const struct queue_job *job, enum job_state was,
                           const struct outcome *before, const struct outcome *after)
{
    struct queue_batch *batch = &queue->store.batches[job->task->batch];
    batch->active += job_takes_place(job->state) - job_takes_place(was);
    batch->had_lost |= after->status == STATUS_LOST;
    batch_count(&batch->counts, &(struct batch_move){
                                    .from = before->status,
                                    .to = after->status,
                                    .started_ms = before->started_ms ? before->started_ms : after->started_ms,
                                    .ended_ms = after->completed_ms,
                                });
}

static void waits_delete(struct queue_store *store, int64_t child)
{
    size_t kept = 0;
    for (size_t i = 0; i < store->wait_count; i++)
        if (store->waits[i].child != child)
            store->waits[kept++] = store->waits[i];
    store->wait_count = kept;
}

static void lease_follows(struct queue *queue, struct queue_job *job, const struct outcome *before)
{
    bool is_lost = job->outcome.status == STATUS_LOST, was_lost = before->status == STATUS_LOST;
    if (before->epoch == 0)
        return;
    if (job->outcome.sealed)
        job->lease = (struct node_lease){0};
    else if (is_lost != was_lost)
        job->lease.deadline_ms = is_lost ? (int64_t)queue->world.now_ms : 0;
}

void outcome_set(struct queue *queue, struct queue_job *job, const struct outcome *after)
{
    struct queue_store *store = &queue->store;
    struct outcome before = job->outcome;
    if (outcome_equal(&before, after))
        return;
    job->outcome = *after;
    store->changed_ms = queue->world.now_ms;
    lease_follows(queue, job, &before);
    trace(&queue->world, "store: job %lld is %s%s, epoch %llu", (long long)job->row, status_word(after->status),
          after->sealed ? ", sealed" : "", (unsigned long long)after->epoch);
    if (after->status == STATUS_LOST && before.status != STATUS_LOST && job->superseded_by == 0) {
        job->was_lost = true;
        job->lost_ms = (int64_t)queue->world.now_ms;
    }
    if (after->sealed)
        store->told_over[store->told_over_count++] = job->row;
    if (job->superseded_by != 0)
        return;
    struct job_step step = job_step(job->state, &before, after);
    enum job_state was = job->state;
    job->state = step.state;
    // What was lost has left its place, whether or not that is settled.
    job->came_back = job->came_back || (before.status == STATUS_LOST && step.state == JOB_CLAIMED);
    if (job->task->batch != 0)
        count_in_batch(queue, job, was, &before, after);
    store->told_ready |= step.state == JOB_READY && was != JOB_READY;
    store->told_unsettled |= step.ends;
    if (!step.ends)
        return;
    store->job_endings[job->row] = true;
    if (!after->sealed)
        store->told_over[store->told_over_count++] = job->row;
    job->waits_for = 0;
    waits_delete(store, job->row);
}

int outcome_ask_for(struct queue *queue, struct queue_job *job, const struct outcome_ask *ask)
{
    struct outcome after;
    int err = outcome_next(&job->outcome, ask, (int64_t)queue->world.now_ms, &after);
    if (err == 0)
        outcome_set(queue, job, &after);
    return err;
}

// --- The place in a line, as job_place and job_release

static int64_t line_turn(const struct queue_store *store, const struct queue_job *job)
{
    int64_t turn = INT64_MAX;
    for (int64_t row = 1; row <= store->last_row; row++) {
        const struct queue_job *other = &store->jobs[row];
        if (other->state == JOB_READY && other->row != job->row && other->task->account == job->task->account &&
            other->task->demand == job->task->demand && other->task->priority == job->task->priority)
            turn = MIN(turn, other->turn);
    }
    return turn == INT64_MAX ? 0 : turn;
}

static void place_in_batch(struct queue *queue, struct queue_job *job, int64_t turn, const struct batch_move *move)
{
    struct queue_batch *batch = &queue->store.batches[job->task->batch];
    if (move)
        batch_count(&batch->counts, move);
    bool full = batch->limits.parallel > 0 && batch->active >= batch->limits.parallel;
    if (job->state == JOB_READY && !batch->cancelled && !batch->stopped && !full) {
        batch->turn = job->turn = MAX(turn, batch->turn) + 2;
        batch->active++;
    } else if (job->state == JOB_READY) {
        job->state = JOB_HELD;
    }
}

void job_place_in_line(struct queue *queue, struct queue_job *job, const struct batch_move *move)
{
    if (job->state != JOB_DELAYED)
        job->state = job->waits_for > 0 ? JOB_HELD : JOB_READY;
    int64_t turn = job->state == JOB_READY ? line_turn(&queue->store, job) : 0;
    if (job->task->batch != 0)
        place_in_batch(queue, job, turn, move);
    else
        job->turn = job->state == JOB_READY ? turn + 1 : 0;
    queue->store.told_ready |= job->state == JOB_READY;
}

static bool end_if_batch_is_over(struct queue *queue, struct queue_job *job)
{
    const struct queue_batch *batch = &queue->store.batches[job->task->batch];
    if (job->task->batch == 0 || (!batch->cancelled && !batch->stopped))
        return false;
    enum outcome_cause cause = batch->cancelled ? OUTCOME_CANCELLED : OUTCOME_SKIPPED;
    outcome_ask_for(queue, job, &(struct outcome_ask){.cause = cause});
    return true;
}

void job_release_it(struct queue *queue, struct queue_job *job)
{
    job->state = JOB_HELD;
    job->not_before_ms = 0;
    job_place_in_line(queue, job, NULL);
    end_if_batch_is_over(queue, job);
}

struct queue_job *job_add(struct queue *queue, const struct task *task)
{
    struct queue_store *store = &queue->store;
    struct queue_job *job = &store->jobs[++store->last_row];
    *job = (struct queue_job){.task = task, .row = store->last_row, .root = store->last_row, .tries = 1};
    job->outcome.status = STATUS_QUEUED;
    return job;
}

// --- Submitting, as catalogue_job_create

bool batch_may_take_more(const struct queue_batch *batch)
{
    return !batch->cancelled && batch->open;
}

bool batch_over(const struct queue *queue, int64_t row)
{
    const struct queue_store *store = &queue->store;
    const struct queue_batch *batch = &store->batches[row];
    if (batch_may_take_more(batch) || batch_left(&batch->counts) > 0)
        return false;
    for (int64_t i = 1; i <= store->last_row; i++)
        if (store->jobs[i].task->batch == row && store->jobs[i].state != JOB_ENDED)
            return false;
    return true;
}

bool batch_has_failed_too_often(const struct queue *queue, int64_t row)
{
    const struct queue_store *store = &queue->store;
    struct batch_doubt doubt = {0};
    for (int64_t i = 1; i <= store->last_row; i++)
        doubt.may_come_back += store->jobs[i].task->batch == row && store->jobs[i].state == JOB_LOST;
    return batch_stops(&store->batches[row].limits, &store->batches[row].counts, &doubt);
}

struct queue_job *newest_of(struct queue *queue, int64_t root)
{
    struct queue_job *job = &queue->store.jobs[root];
    while (job->superseded_by != 0)
        job = &queue->store.jobs[job->superseded_by];
    return job;
}

static enum dependency_verdict judge_new(struct queue *queue, const struct task_wait *wait)
{
    if (wait->of_batch) {
        const struct batch_counts *counts = &queue->store.batches[wait->parent].counts;
        return dependency_judge(wait->wish, batch_over(queue, wait->parent),
                                counts->of[STATUS_COMPLETED] < batch_total(counts));
    }
    const struct queue_job *parent = newest_of(queue, wait->parent);
    return dependency_judge(wait->wish, parent->state == JOB_ENDED, parent->outcome.status != STATUS_COMPLETED);
}

int64_t queue_submit_task(struct queue *queue, const struct task *task)
{
    struct queue_store *store = &queue->store;
    if (task->batch != 0 && !batch_may_take_more(&store->batches[task->batch]))
        return 0;
    struct queue_job *job = job_add(queue, task);
    bool never = false;
    for (unsigned i = 0; i < task->wait_count; i++) {
        enum dependency_verdict verdict = judge_new(queue, &task->waits[i]);
        never |= verdict == DEPENDENCY_IMPOSSIBLE;
        if (verdict != DEPENDENCY_WAITS)
            continue;
        store->waits[store->wait_count++] =
            (struct queue_wait){job->row, task->waits[i].parent, task->waits[i].of_batch, task->waits[i].wish};
        job->waits_for++;
    }
    if (never) {
        waits_delete(store, job->row);
        job->waits_for = 0;
    }
    job_place_in_line(queue, job, &(struct batch_move){.from = STATUS_COUNT, .to = STATUS_QUEUED});
    if (never)
        outcome_ask_for(queue, job, &(struct outcome_ask){.cause = OUTCOME_SKIPPED});
    else
        end_if_batch_is_over(queue, job);
    trace(&queue->world, "store: job %lld is submitted, %s", (long long)job->row, job_state_word(job->state));
    queue_tell(queue);
    return job->row;
}

// --- Cancelling

static void cancel_one(struct queue *queue, struct queue_job *job)
{
    if (outcome_over(&job->outcome))
        return;
    job->cancel_asked = true;
    outcome_ask_for(queue, job, &(struct outcome_ask){.cause = OUTCOME_CANCELLED});
}

void queue_cancel_job(struct queue *queue, int64_t row)
{
    trace(&queue->world, "somebody cancels job %lld", (long long)row);
    cancel_one(queue, &queue->store.jobs[row]);
    queue_tell(queue);
}

void queue_cancel_batch(struct queue *queue, int64_t batch)
{
    struct queue_store *store = &queue->store;
    trace(&queue->world, "somebody cancels batch %lld", (long long)batch);
    store->batches[batch].cancelled = true;
    store->batch_endings[batch] = store->told_unsettled = true;
    end_unclaimed_of(queue, batch, store->steps_max); // settling goes on with the others
    for (int64_t row = 1; row <= store->last_row; row++)
        if (store->jobs[row].task->batch == batch && store->jobs[row].state == JOB_CLAIMED)
            store->jobs[row].cancel_asked = true;
    queue_tell(queue);
}

void queue_close_batch(struct queue *queue, int64_t batch)
{
    queue->store.batches[batch].open = false;
    queue->store.batch_endings[batch] = queue->store.told_unsettled = true;
    queue_tell(queue);
}

// --- Claims and returns, as commit_job.c

static int lease_change(struct queue *queue, struct queue_job *job, const struct node_lease_ask *ask)
{
    const struct queue_store *store = &queue->store;
    struct node_sign holder = {.fenced = true};
    if (store->nodes[ask->node].fenced)
        return ERR_NODE_FENCED;
    if (job->lease.node != 0 && job->lease.node != ask->node)
        holder = store->nodes[job->lease.node];
    return node_lease_next(&job->lease, &holder, ask, (int64_t)queue->world.now_ms, &job->lease);
}

static bool claimable(const struct queue *queue, const struct queue_job *job)
{
    const struct queue_batch *batch = &queue->store.batches[job->task->batch];
    if (job->state != JOB_READY)
        return false;
    return job->task->batch == 0 ||
           (!batch->cancelled && !batch->stopped && !batch_has_failed_too_often(queue, job->task->batch));
}

static int apply_claim(struct queue *queue, struct queue_op *op)
{
    struct queue_job *job = &queue->store.jobs[op->row];
    struct outcome after;
    if (!claimable(queue, job))
        return ERR_CONFLICT;
    int err = outcome_next(&job->outcome, &(struct outcome_ask){.cause = OUTCOME_CLAIMED}, (int64_t)queue->world.now_ms,
                           &after);
    if (err == 0)
        err = lease_change(queue, job, &(struct node_lease_ask){NODE_LEASE_CLAIM, op->node, after.epoch, 0, 0});
    if (err < 0)
        return err;
    check_claimed(queue, job);
    job->worker = op->worker;
    job->disowned = false;
    outcome_set(queue, job, &after);
    return 0;
}

static int apply_return(struct queue *queue, struct queue_op *op)
{
    struct queue_job *job = &queue->store.jobs[op->row];
    struct outcome after;
    if (op->epoch != job->outcome.epoch)
        return ERR_FENCED;
    int err = outcome_next(&job->outcome, &(struct outcome_ask){.cause = OUTCOME_RETURNED},
                           (int64_t)queue->world.now_ms, &after);
    if (err < 0)
        return ERR_CONFLICT;
    outcome_set(queue, job, &after);
    job->lease = (struct node_lease){0};
    if (job->cancel_asked || job->superseded_by != 0)
        return outcome_ask_for(queue, job, &(struct outcome_ask){.cause = OUTCOME_CANCELLED});
    if (!end_if_batch_is_over(queue, job) && job->state == JOB_HELD)
        job_release_it(queue, job);
    return 0;
}

static int apply_complete(struct queue *queue, struct queue_op *op)
{
    struct queue_job *job = &queue->store.jobs[op->row];
    if (op->epoch != job->outcome.epoch)
        return ERR_FENCED;
    return outcome_ask_for(queue, job, &op->outcome);
}

static int apply_update(struct queue *queue, struct queue_op *op)
{
    struct queue_job *job = &queue->store.jobs[op->row];
    if (op->epoch != job->outcome.epoch || op->node != job->lease.node)
        return ERR_FENCED;
    int err = outcome_ask_for(queue, job, &op->outcome);
    if (err == 0 && op->outcome.cause == OUTCOME_SILENT)
        check_silent(queue, op);
    return err;
}

// --- Nodes and their leases, as nodes.c and leases.c

static int apply_join(struct queue *queue, struct queue_op *op)
{
    struct queue_store *store = &queue->store;
    op->node = ++store->last_node;
    store->nodes[op->node] = (struct node_sign){.heartbeat_ms = (int64_t)queue->world.now_ms};
    return 0;
}

static int apply_beat(struct queue *queue, struct queue_op *op)
{
    struct queue_store *store = &queue->store;
    struct node_sign *own = &store->nodes[op->node];
    int64_t now_ms = (int64_t)queue->world.now_ms, before_ms = own->heartbeat_ms;
    if (own->fenced)
        return ERR_NODE_FENCED;
    own->heartbeat_ms = now_ms;
    for (int64_t i = 1; i <= store->last_node && node_may_fence(before_ms, now_ms); i++)
        store->nodes[i].fenced |= store->nodes[i].heartbeat_ms < node_silent_before(now_ms);
    return 0;
}

static int apply_adopt(struct queue *queue, struct queue_op *op)
{
    struct queue_store *store = &queue->store;
    op->ret_rows = make(&queue->world, QUEUE_JOBS * sizeof(*op->ret_rows));
    if (store->nodes[op->node].fenced)
        return ERR_NODE_FENCED;
    for (int64_t row = 1; row <= store->last_row; row++) {
        struct queue_job *job = &store->jobs[row];
        if (job->lease.node == 0 || !store->nodes[job->lease.node].fenced)
            continue;
        if (lease_change(queue, job, &(struct node_lease_ask){.cause = NODE_LEASE_ADOPT, .node = op->node}) == 0)
            op->ret_rows[op->ret_count++] = row;
    }
    return 0;
}

static int apply_lease(struct queue *queue, struct queue_op *op)
{
    return lease_change(queue, &queue->store.jobs[op->row], &op->ask);
}

static int apply_settle(struct queue *queue, struct queue_op *op)
{
    op->ret_settled = queue_settle(queue);
    return 0;
}

// --- Looks

static bool goes_first(const struct queue_job *a, const struct queue_job *b)
{
    if (a->task->priority != b->task->priority)
        return a->task->priority > b->task->priority;
    return a->turn != b->turn ? a->turn < b->turn : a->row < b->row;
}

static bool in_line(const struct queue_job *job, const struct queue_op *op)
{
    return job->state == JOB_READY && job->task->account == op->account && job->task->demand == op->demand;
}

static int apply_ready(struct queue *queue, struct queue_op *op)
{
    const struct queue_job *found[QUEUE_JOBS];
    op->ret_jobs = make(&queue->world, QUEUE_JOBS * sizeof(*op->ret_jobs));
    for (int64_t row = 1; row <= queue->store.last_row; row++) {
        const struct queue_job *job = &queue->store.jobs[row];
        if (!in_line(job, op))
            continue;
        size_t at = op->ret_count++;
        for (; at > 0 && goes_first(job, found[at - 1]); at--)
            found[at] = found[at - 1];
        found[at] = job;
    }
    for (size_t i = 0; i < op->ret_count; i++)
        op->ret_jobs[i] = (struct match_job){found[i]->row, found[i]->turn, found[i]->task->priority};
    return 0;
}

static int apply_lines(struct queue *queue, struct queue_op *op)
{
    bool lines[QUEUE_ACCOUNTS + 1][QUEUE_DEMANDS] = {0};
    op->ret_jobs = make(&queue->world, QUEUE_JOBS * sizeof(*op->ret_jobs));
    for (int64_t row = 1; row <= queue->store.last_row; row++) {
        const struct queue_job *job = &queue->store.jobs[row];
        if (job->state != JOB_READY || lines[job->task->account][job->task->demand])
            continue;
        lines[job->task->account][job->task->demand] = true;
        op->ret_jobs[op->ret_count++].row = row; // one of each line
    }
    return 0;
}

// Those that are lost, too: if they never came to their worker, it says so.
static bool is_claimed(const struct queue_job *job, const struct queue_op *op)
{
    if (job->worker != op->worker)
        return false;
    bool lost = (job->state == JOB_LOST || job->state == JOB_OVER) && job->outcome.status == STATUS_LOST;
    return (job->state == JOB_CLAIMED && job->lease.node == op->node) || (lost && !job->outcome.sealed);
}

static int apply_claimed(struct queue *queue, struct queue_op *op)
{
    op->ret_rows = make(&queue->world, QUEUE_JOBS * sizeof(*op->ret_rows));
    for (int64_t row = 1; row <= queue->store.last_row; row++) {
        const struct queue_job *job = &queue->store.jobs[row];
        if (is_claimed(job, op))
            op->ret_rows[op->ret_count++] = row;
    }
    return 0;
}

static int apply_get(struct queue *queue, struct queue_op *op)
{
    (void)queue;
    (void)op;
    return 0; // what there is comes with every answer
}

// --- Transactions, one at a time

void queue_tell(struct queue *queue)
{
    struct queue_store *store = &queue->store;
    for (unsigned i = 0; i < queue->server_count; i++)
        queue_server_told(queue, &queue->servers[i], store->told_ready, store->told_unsettled, store->told_over,
                          store->told_over_count);
    store->told_ready = store->told_unsettled = false;
    store->told_over_count = 0;
    check_store(queue);
}

static void answer(struct world *world, void *arg, uint64_t life)
{
    struct queue_op *op = arg;
    if (op->server->up && op->server->life == life)
        op->done(QUEUE_OF(world), op);
}

static void apply(struct world *world, void *arg, uint64_t life)
{
    static int (*const applies[QUEUE_OPS])(struct queue * queue, struct queue_op * op) = {
        [QUEUE_JOIN] = apply_join,         [QUEUE_BEAT] = apply_beat,     [QUEUE_ADOPT] = apply_adopt,
        [QUEUE_LEASE] = apply_lease,       [QUEUE_CLAIM] = apply_claim,   [QUEUE_RETURN] = apply_return,
        [QUEUE_COMPLETE] = apply_complete, [QUEUE_UPDATE] = apply_update, [QUEUE_SETTLE] = apply_settle,
        [QUEUE_READY] = apply_ready,       [QUEUE_LINES] = apply_lines,   [QUEUE_GET] = apply_get,
        [QUEUE_CLAIMED] = apply_claimed,
    };
    struct queue *queue = QUEUE_OF(world);
    struct queue_op *op = arg;
    // What was on its way to the store when its server died may have come to it.
    if (op->server->life != life && chance(world, 500))
        return;
    bool fails = world->now_ms < queue->store.failing_until_ms && chance(world, 500);
    fails = fails || world->now_ms < op->server->away_until_ms;
    op->err = fails ? ERR_UNAVAILABLE : applies[op->kind](queue, op);
    op->ret_job = queue->store.jobs[op->row];
    queue_tell(queue);
    later(world, draw(world, 0, 3), answer, op, life);
}

void queue_submit_op(struct queue *queue, struct queue_op *op)
{
    struct world *world = &queue->world;
    bool slow = world->now_ms < queue->store.slow_until_ms;
    uint64_t at_ms = world->now_ms + (slow ? draw(world, 100, 4000) : draw(world, 1, 10));
    at_ms = op->server->applied_ms = MAX(at_ms, op->server->applied_ms); // in the order in which it asks
    later(world, at_ms - world->now_ms, apply, op, op->server->life);
}
