// What all of the stores are asked for, as one answer. If one of them cannot answer there is none: nothing may be
// missing silently.
#include "store/shards/shards_private.h"

static struct task *ask_all(struct shards *shards, struct store_op *op)
{
    struct task *task = task_new(shards, op);
    for (unsigned i = 0; i < shards->count; i++)
        task_part(task, &shards->members[i], op->kind, op);
    return task;
}

// --- One execution or batch by its identifier

static void got_rest(struct task *task)
{
    int err = ERR_NOT_FOUND;
    for (unsigned i = 0; i < task->count; i++) {
        int answer = part_op(task->parts[i])->err;
        if (answer == 0) {
            task_give(task, task->parts[i]);
            task_end(task, 0);
            return;
        }
        err = answer == ERR_NOT_FOUND ? err : answer; // it may be there
    }
    task_end(task, err);
}

static void got_first(struct task *task)
{
    struct part *part = task->parts[0];
    struct member *asked = part->member;
    int err = part_op(part)->err;
    if (err == 0)
        task_give(task, part);
    if (err != ERR_NOT_FOUND || task->shards->count == 1) {
        task_end(task, err);
        return;
    }
    task_forget(task);
    for (unsigned i = 0; i < task->shards->count; i++)
        if (&task->shards->members[i] != asked)
            task_part(task, &task->shards->members[i], task->op->kind, task->op);
    task_go(task, got_rest);
}

// Where it would be made now is asked first, which is where most are.
static void get(struct shards *shards, struct store_op *op, int64_t account, struct str id)
{
    struct task *task = task_new(shards, op);
    task_part(task, member_for(shards, account, id), op->kind, op);
    task_go(task, got_first);
}

void go_get(struct shards *shards, struct store_op *op)
{
    struct store_get *query = CONTAINER_OF(op, struct store_get, op);
    query->ret_execution = (struct execution){0};
    get(shards, op, query->account, query->execution_id);
}

void go_batch_get(struct shards *shards, struct store_op *op)
{
    struct store_batch_get *query = CONTAINER_OF(op, struct store_batch_get, op);
    query->ret_batch = (struct batch){0};
    if (query->row != 0)
        go_by_row(shards, op);
    else
        get(shards, op, query->account, query->batch_id);
}

// --- Counts

// The home must answer, of the others store_away tells.
static void counted(struct task *task)
{
    struct store_count_open *count = TASK(task, store_count_open);
    count->ret_count = count->ret_queued = 0;
    for (unsigned i = 0; i < task->count; i++) {
        count->ret_count += PART(task->parts[i], store_count_open)->ret_count;
        count->ret_queued += PART(task->parts[i], store_count_open)->ret_queued;
    }
    task_end(task, part_op(task->parts[0])->err);
}

// A probe waits for no store but the home, as the others may stand still.
void go_count_open(struct shards *shards, struct store_op *op)
{
    if (!CONTAINER_OF(op, struct store_count_open, op)->probe) {
        task_go(ask_all(shards, op), counted);
        return;
    }
    for (unsigned i = 1; i < shards->count; i++)
        member_probe(&shards->members[i]);
    go_home(shards, op);
}

static void backlogs(struct task *task)
{
    struct store_cold_backlog *sum = TASK(task, store_cold_backlog);
    int err = task_error(task);
    sum->ret_waiting = 0;
    sum->ret_oldest_ms = 0;
    for (unsigned i = 0; i < task->count && err == 0; i++) {
        const struct store_cold_backlog *part = PART(task->parts[i], store_cold_backlog);
        sum->ret_waiting += part->ret_waiting;
        if (part->ret_oldest_ms > 0 && (sum->ret_oldest_ms == 0 || part->ret_oldest_ms < sum->ret_oldest_ms))
            sum->ret_oldest_ms = part->ret_oldest_ms;
    }
    task_end(task, err);
}

void go_cold_backlog(struct shards *shards, struct store_op *op)
{
    task_go(ask_all(shards, op), backlogs);
}

// --- Waits that are over

// In turn, so that none is crowded out. Of a store that is away none can be ended.
static void due(struct task *task)
{
    struct store_waits_due *all = TASK(task, store_waits_due);
    all->ret_count = 0;
    for (size_t at = 0; at < STORE_WAITS_MAX; at++) {
        for (unsigned i = 0; i < task->count && all->ret_count < STORE_WAITS_MAX; i++) {
            const struct store_waits_due *part = PART(task->parts[i], store_waits_due);
            if (part_op(task->parts[i])->err == 0 && at < part->ret_count)
                all->ret_rows[all->ret_count++] = row_outside(task->parts[i]->member, part->ret_rows[at]);
        }
    }
    task_end(task, part_op(task->parts[0])->err);
}

void go_waits_due(struct shards *shards, struct store_op *op)
{
    task_go(ask_all(shards, op), due);
}

// --- What is known in any. It is removed elsewhere if it is in none, so all must answer.

static void unused(struct task *task)
{
    struct store_blobs_unused *any = TASK(task, store_blobs_unused);
    any->ret_any = false;
    for (unsigned i = 0; i < task->count; i++)
        any->ret_any = any->ret_any || PART(task->parts[i], store_blobs_unused)->ret_any;
    task_end(task, task_error(task));
}

void go_blobs_unused(struct shards *shards, struct store_op *op)
{
    task_go(ask_all(shards, op), unused);
}

static void blobs_known(struct task *task)
{
    struct store_blobs_known *known = TASK(task, store_blobs_known);
    memset(known->ret_known, 0, sizeof(known->ret_known));
    for (unsigned i = 0; i < task->count; i++)
        for (size_t k = 0; k < known->count; k++)
            known->ret_known[k] = known->ret_known[k] || PART(task->parts[i], store_blobs_known)->ret_known[k];
    task_end(task, task_error(task));
}

void go_blobs_known(struct shards *shards, struct store_op *op)
{
    task_go(ask_all(shards, op), blobs_known);
}

static void cold_known(struct task *task)
{
    struct store_cold_known *known = TASK(task, store_cold_known);
    for (size_t k = 0; k < known->count; k++)
        known->ret_known[k] = false;
    for (unsigned i = 0; i < task->count; i++)
        for (size_t k = 0; k < known->count; k++)
            known->ret_known[k] = known->ret_known[k] || PART(task->parts[i], store_cold_known)->ret_known[k];
    task_end(task, task_error(task));
}

void go_cold_known(struct shards *shards, struct store_op *op)
{
    struct store_cold_known *known = CONTAINER_OF(op, struct store_cold_known, op);
    struct task *task = ask_all(shards, op);
    for (unsigned i = 0; i < task->count; i++) {
        struct part *part = task->parts[i];
        part->own = xcalloc(known->count + 1, sizeof(bool));
        PART(part, store_cold_known)->ret_known = part->own;
    }
    task_go(task, cold_known);
}
