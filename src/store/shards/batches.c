// Batches: each lies whole in one store, with its jobs; by its identifier, or its idempotency key, as an execution
// does. What its jobs wait for may lie in any.
#include "store/shards/shards_private.h"
#include "util/clock.h"

// --- Making one

static void made(struct task *task)
{
    struct part *part = task->parts[0];
    int err = part_op(part)->err;
    if (err == 0 && row_is_too_high(part->member, PART(part, store_batch_create)->batch.row))
        err = ERR_INTERNAL;
    task_give(task, part);
    task_end(task, err);
}

static void make(struct task *task, struct member *member)
{
    struct store_batch_create *create = TASK(task, store_batch_create);
    if (!create->batch.batch_id)
        create->batch.batch_id = id_for(task->shards, create->batch.account, member, "batch");
    task_forget(task);
    task_part(task, member, STORE_BATCH_CREATE, task->op);
    task_go(task, made);
}

// The store that has it judges whether the request is the one that made it.
static void asked(struct task *task)
{
    struct member *member = task->member;
    int err = 0;
    for (unsigned i = 0; i < task->count; i++) {
        const struct part *part = task->parts[i];
        int answer = part_op(task->parts[i])->err;
        bool is_key = part_op(task->parts[i])->kind == STORE_CREATED;
        if (answer == 0 && (!is_key || PART(task->parts[i], store_created)->ret_known)) {
            member = part->member;
            err = 0;
            break;
        }
        err = answer < 0 && answer != ERR_NOT_FOUND ? answer : err;
    }
    if (err < 0)
        task_end(task, err);
    else
        make(task, member);
}

// Former servers made all of them in the home.
static void ask_others(struct task *task)
{
    const struct store_batch_create *create = TASK(task, store_batch_create);
    struct shards *shards = task->shards;
    bool moved = clock_mono_ms() < shards->moved_until_ms;
    for (unsigned i = 0; i < shards->count; i++) {
        if (&shards->members[i] == task->member)
            continue;
        if (create->idempotency_key.len > 0 && (moved || i == 0)) {
            struct store_created *created =
                PART(task_part(task, &shards->members[i], STORE_CREATED, NULL), store_created);
            created->account = create->batch.account;
            created->key = create->idempotency_key;
            created->batch = true;
        }
        if (create->batch.batch_id && task->number == 0) {
            struct store_batch_get *get =
                PART(task_part(task, &shards->members[i], STORE_BATCH_GET, NULL), store_batch_get);
            get->account = create->batch.account;
            get->batch_id = str_of(create->batch.batch_id);
        }
    }
}

void go_batch_create(struct shards *shards, struct store_op *op)
{
    struct store_batch_create *create = CONTAINER_OF(op, struct store_batch_create, op);
    struct batch *batch = &create->batch;
    struct task *task = task_new(shards, op);
    bool named = batch->batch_id || create->idempotency_key.len > 0;
    if (!named)
        batch->batch_id = id_for(shards, batch->account, NULL, "batch");
    task->number = !named; // nobody else has it
    task->member =
        member_for(shards, batch->account, batch->batch_id ? str_of(batch->batch_id) : create->idempotency_key);
    ask_others(task);
    task_go(task, asked);
}

// --- Adding jobs

static void over(struct task *task)
{
    task_end(task, (int)task->number);
}

// What the store has made of them becomes the caller's, with what that had given.
static void give_jobs(struct task *task, const struct store_batch_add *inner, const struct member *member)
{
    struct store_batch_add *add = TASK(task, store_batch_add);
    for (size_t i = 0; i < add->count; i++) {
        struct store_create *job = &add->jobs[i];
        const struct job_new *given = job->job;
        const struct run_new *run = job->run;
        *job = inner->jobs[i];
        job->job = given;
        job->run = run;
        job->execution.row = row_outside(member, job->execution.row);
        job->execution.job.batch = row_outside(member, job->execution.job.batch);
    }
}

static void added(struct task *task)
{
    struct store_batch_add *add = TASK(task, store_batch_add);
    struct store_create *jobs = add->jobs;
    uint64_t queued_max = add->queued_max;
    struct part *part = task->parts[0];
    struct member *member = part->member;
    int err = part_op(part)->err;
    give_jobs(task, PART(part, store_batch_add), member);
    task_give(task, part);
    add->jobs = jobs;
    add->queued_max = queued_max;
    task->number = err;
    for (size_t i = 0; i < add->count && err == 0; i++)
        order_made(task, member, &add->jobs[i]);
    parents_tell(task, over);
}

static void add_jobs(struct task *task)
{
    struct store_batch_add *add = TASK(task, store_batch_add);
    uint64_t left = 0;
    int err = order_error(task);
    if (err == 0)
        err = limit_left(add->queued_max, (uint64_t)task->number, &left);
    if (err < 0) {
        task_end(task, err);
        return;
    }
    task_forget(task);
    struct part *part = task_part(task, task->member, STORE_BATCH_ADD, task->op);
    struct store_batch_add *inner = PART(part, store_batch_add);
    struct store_create *jobs = xcalloc(add->count + 1, sizeof(*jobs));
    part->own = jobs;
    inner->jobs = jobs;
    inner->queued_max = left;
    for (size_t i = 0; i < add->count; i++) {
        jobs[i] = add->jobs[i];
        int refusal = err == 0 ? order_fill(task, task->member, &jobs[i]) : 0;
        if (refusal < 0)
            inner->ret_refused = i;
        err = err < 0 ? err : refusal;
    }
    part_op(part)->err = err;
    if (err < 0)
        added(task);
    else
        task_go(task, added);
}

static void ask_home(struct task *task)
{
    task->number = (int64_t)open_elsewhere(task, task->member).queued;
    order_ask_home(task, task->member, add_jobs);
}

static void count(struct task *task)
{
    const struct store_batch_add *add = TASK(task, store_batch_add);
    if (order_error(task) < 0) {
        task_end(task, order_error(task));
        return;
    }
    if (add->count > 0)
        ask_open(task, add->jobs[0].execution.account, true, add->count, add->queued_max);
    task_go(task, ask_home);
}

static void with_parents(struct task *task)
{
    const struct store_batch_add *add = TASK(task, store_batch_add);
    struct parent_key batch = {true, store_row_within(add->row)};
    if (order_error(task) < 0)
        task_end(task, order_error(task));
    else
        order_find_circles(task, parent_outside(task->member, batch), count);
}

void go_batch_add(struct shards *shards, struct store_op *op)
{
    const struct store_batch_add *add = CONTAINER_OF(op, struct store_batch_add, op);
    struct member *member = member_at(shards, add->row);
    if (!member || add->count > BATCH_ADD_MAX) {
        refuse(op, member ? ERR_TOO_LARGE : ERR_NOT_FOUND);
        return;
    }
    struct task *task = task_new(shards, op);
    task->member = member;
    order_begin(task, add->count > 0 ? add->jobs[0].execution.account : 0, add->jobs, add->count);
    order_find_parents(task, with_parents);
}
