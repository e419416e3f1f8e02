// The queue over all stores: each has the jobs and batches that were made in it, and what settles them. One that is
// away is passed over, as what lies in the others goes on.
#include "store/shards/shards_private.h"

// --- Rows that are given

void batch_change_outward(const struct member *member, struct store_op *op)
{
    struct store_batch_change *change = CONTAINER_OF(op, struct store_batch_change, op);
    for (size_t i = 0; i < change->ret_running_count; i++)
        change->ret_running[i] = row_outside(member, change->ret_running[i]);
}

void batch_failures_outward(const struct member *member, struct store_op *op)
{
    struct store_batch_failures *failures = CONTAINER_OF(op, struct store_batch_failures, op);
    for (size_t i = 0; i < failures->ret_count; i++) {
        struct execution *execution = &failures->ret_executions[i];
        execution->row = row_outside(member, execution->row);
        execution->job.batch = row_outside(member, execution->job.batch);
    }
}

static struct task *ask_all(struct shards *shards, struct store_op *op)
{
    struct task *task = task_new(shards, op);
    for (unsigned i = 0; i < shards->count; i++)
        task_part(task, &shards->members[i], op->kind, op);
    return task;
}

// The home must answer; of the others store_away tells.
static int error_of_home(const struct task *task)
{
    return part_op(task->parts[0])->err;
}

// --- The first jobs of a line. A turn is a time of its store's own, so of what has the same priority each store gives
// one in turn; one that has less leaves its part to the others.

struct ready {
    const struct task *task;
    size_t taken[STORE_SHARDS_MAX]; // by part
    unsigned last;                  // whose turn it was
};

static const struct job_brief *ready_of(const struct ready *it, unsigned i)
{
    const struct store_jobs_ready *part = PART(it->task->parts[i], store_jobs_ready);
    bool any = part_op(it->task->parts[i])->err == 0 && it->taken[i] < part->ret_count;
    return any ? &part->ret_jobs[it->taken[i]] : NULL;
}

// The part that is next: false if there is none.
static bool ready_next(const struct ready *it, unsigned *ret)
{
    const struct job_brief *best = NULL;
    for (unsigned k = 1; k <= it->task->count; k++) {
        unsigned i = (it->last + k) % it->task->count;
        const struct job_brief *head = ready_of(it, i);
        if (!head || (best && head->priority <= best->priority))
            continue;
        best = head;
        *ret = i;
    }
    return best != NULL;
}

static void ready(struct task *task)
{
    struct store_jobs_ready *all = TASK(task, store_jobs_ready);
    struct ready it = {.task = task, .last = task->count - 1};
    unsigned limit = all->limit > 0 ? MIN(all->limit, (unsigned)JOBS_READY_MAX) : JOBS_READY_MAX, from = 0;
    all->ret_count = 0;
    while (all->ret_count < limit && ready_next(&it, &from)) {
        struct job_brief *job = &all->ret_jobs[all->ret_count++];
        *job = *ready_of(&it, from);
        job->row = row_outside(task->parts[from]->member, job->row);
        it.taken[from]++;
        it.last = from;
    }
    task_end(task, error_of_home(task));
}

void go_jobs_ready(struct shards *shards, struct store_op *op)
{
    task_go(ask_all(shards, op), ready);
}

// --- The lines

static int compare_lines(const struct job_line *x, const struct job_line *y)
{
    if (x->account != y->account)
        return x->account < y->account ? -1 : 1;
    return strcmp(x->demand, y->demand);
}

struct merging_lines {
    const struct task *task;
    size_t taken[STORE_SHARDS_MAX]; // by part
};

static struct job_line *line_of(const struct merging_lines *it, unsigned i)
{
    const struct store_job_lines *part = PART(it->task->parts[i], store_job_lines);
    bool any = part_op(it->task->parts[i])->err == 0 && it->taken[i] < part->ret_count;
    return any ? &part->ret_lines[it->taken[i]] : NULL;
}

// One that several have is one line.
static struct job_line *line_next(struct merging_lines *it)
{
    struct job_line *first = NULL;
    for (unsigned i = 0; i < it->task->count; i++) {
        struct job_line *head = line_of(it, i);
        if (head && (!first || compare_lines(head, first) < 0))
            first = head;
    }
    for (unsigned i = 0; first && i < it->task->count; i++) {
        const struct job_line *head = line_of(it, i);
        it->taken[i] += head && compare_lines(head, first) == 0;
    }
    return first;
}

static void lines(struct task *task)
{
    struct store_job_lines *all = TASK(task, store_job_lines);
    struct merging_lines it = {.task = task};
    unsigned limit = all->limit > 0 ? MIN(all->limit, (unsigned)JOB_LINES_MAX) : JOB_LINES_MAX;
    struct job_line *line = NULL;
    all->ret_lines = xcalloc(limit, sizeof(*all->ret_lines));
    all->ret_count = 0;
    while (all->ret_count < limit && (line = line_next(&it)))
        all->ret_lines[all->ret_count++] = (struct job_line){line->account, xstrdup(line->demand)};
    task_end(task, error_of_home(task));
}

void go_job_lines(struct shards *shards, struct store_op *op)
{
    struct store_job_lines *all = CONTAINER_OF(op, struct store_job_lines, op);
    all->ret_lines = NULL;
    all->ret_count = 0;
    task_go(ask_all(shards, op), lines);
}

// --- What a worker has: of one store after the other, as rows of the next one are higher, until a page is full

static void claimed(struct task *task);

static void claimed_in(struct task *task, struct member *member, int64_t after)
{
    task_forget(task);
    struct store_jobs_claimed *part = PART(task_part(task, member, STORE_JOBS_CLAIMED, task->op), store_jobs_claimed);
    part->after = after;
    part->ret_jobs = NULL;
    part->ret_count = 0;
    task_go(task, claimed);
}

static void claimed(struct task *task)
{
    struct store_jobs_claimed *all = TASK(task, store_jobs_claimed);
    struct part *part = task->parts[0];
    struct store_jobs_claimed *some = PART(part, store_jobs_claimed);
    struct member *member = part->member;
    int err = part_op(part)->err;
    if (err < 0 && member->number == 0) {
        task_end(task, err);
        return;
    }
    for (size_t i = 0; i < some->ret_count && err == 0 && all->ret_count < JOBS_CLAIMED_MAX; i++) {
        struct job_claimed *job = &all->ret_jobs[all->ret_count++];
        *job = some->ret_jobs[i];
        job->row = row_outside(member, job->row);
        some->ret_jobs[i] = (struct job_claimed){0}; // its strings are the caller's
    }
    unsigned next = member->number + 1;
    if (all->ret_count == JOBS_CLAIMED_MAX || next == task->shards->count)
        task_end(task, 0);
    else
        claimed_in(task, &task->shards->members[next], 0);
}

void go_jobs_claimed(struct shards *shards, struct store_op *op)
{
    struct store_jobs_claimed *all = CONTAINER_OF(op, struct store_jobs_claimed, op);
    struct member *member = member_at(shards, all->after);
    if (!member) {
        refuse(op, ERR_NOT_FOUND);
        return;
    }
    all->ret_jobs = xcalloc(JOBS_CLAIMED_MAX, sizeof(*all->ret_jobs));
    all->ret_count = 0;
    claimed_in(task_new(shards, op), member, store_row_within(all->after));
}

// --- Queued again, within the limit of all stores together

static uint64_t *limit_of(struct store_op *op)
{
    return op->kind == STORE_JOB_RETRY ? &CONTAINER_OF(op, struct store_job_retry, op)->queued_max
                                       : &CONTAINER_OF(op, struct store_batch_change, op)->queued_max;
}

static void limited(struct task *task)
{
    uint64_t max = *limit_of(task->op);
    int err = part_op(task->parts[0])->err;
    task_give(task, task->parts[0]);
    *limit_of(task->op) = max;
    task_end(task, err);
}

static void counted(struct task *task)
{
    uint64_t left;
    int err = limit_left(*limit_of(task->op), open_elsewhere(task, task->member).queued, &left);
    if (err < 0) {
        task_end(task, err);
        return;
    }
    task_forget(task);
    *limit_of(part_op(task_part(task, task->member, task->op->kind, task->op))) = left;
    task_go(task, limited);
}

// Whose turn it takes is whose jobs they are.
void go_job_limited(struct shards *shards, struct store_op *op)
{
    const struct store_batch_change *change = CONTAINER_OF(op, struct store_batch_change, op);
    int64_t row = op->kind == STORE_JOB_RETRY ? CONTAINER_OF(op, struct store_job_retry, op)->row : change->row;
    struct member *member = member_at(shards, row);
    bool retries = op->kind == STORE_JOB_RETRY || change->retry;
    if (!member || !retries || *limit_of(op) == 0 || op->account == 0) {
        go_by_row(shards, op);
        return;
    }
    struct task *task = task_new(shards, op);
    task->member = member;
    ask_open(task, op->account, true, 1, *limit_of(op));
    task_go(task, counted);
}
