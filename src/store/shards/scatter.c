// What names executions of several stores: each is asked for its own.
#include "store/shards/shards_private.h"

// --- Where executions stand

// A store that is away is left out: who follows there looks again a second later.
static void looked(struct task *task)
{
    struct store_look *all = TASK(task, store_look);
    int err = task->count > 0 ? task_error(task) : 0;
    all->ret_changes = xcalloc(all->count + 1, sizeof(*all->ret_changes));
    all->ret_count = 0;
    for (unsigned i = 0; i < task->count; i++) {
        const struct store_look *look = PART(task->parts[i], store_look);
        err = part_op(task->parts[i])->err == 0 ? 0 : err;
        for (size_t k = 0; k < look->ret_count && part_op(task->parts[i])->err == 0; k++) {
            struct store_change *change = &all->ret_changes[all->ret_count++];
            *change = look->ret_changes[k];
            change->row = row_outside(task->parts[i]->member, change->row);
            change->batch = row_outside(task->parts[i]->member, change->batch);
        }
    }
    task_end(task, err);
}

void go_look(struct shards *shards, struct store_op *op)
{
    const struct store_look *look = CONTAINER_OF(op, struct store_look, op);
    if (look->count > STORE_LOOK_MAX) {
        refuse(op, ERR_TOO_LARGE);
        return;
    }
    struct task *task = task_new(shards, op);
    for (unsigned k = 0; k < shards->count; k++) {
        int64_t *rows = xcalloc(look->count + 1, sizeof(*rows));
        size_t count = 0;
        for (size_t i = 0; i < look->count; i++)
            if (member_at(shards, look->rows[i]) == &shards->members[k])
                rows[count++] = store_row_within(look->rows[i]);
        if (count == 0) {
            free(rows);
            continue;
        }
        struct part *part = task_part(task, &shards->members[k], STORE_LOOK, NULL);
        part->own = rows;
        PART(part, store_look)->rows = rows;
        PART(part, store_look)->count = count;
    }
    task_go(task, looked);
}

// --- What was copied. A step that was made already is left out when it is made again, so all are made again.

static void ended(struct task *task)
{
    task_end(task, task_error(task));
}

void go_mirror_advance(struct shards *shards, struct store_op *op)
{
    const struct store_mirror_advance *advance = CONTAINER_OF(op, struct store_mirror_advance, op);
    struct task *task = task_new(shards, op);
    for (unsigned k = 0; k < shards->count; k++) {
        struct mirror_step *steps = xcalloc(advance->count + 1, sizeof(*steps));
        size_t count = 0;
        for (size_t i = 0; i < advance->count; i++) {
            if (member_at(shards, advance->steps[i].row) != &shards->members[k])
                continue;
            steps[count] = advance->steps[i];
            steps[count++].row = store_row_within(advance->steps[i].row);
        }
        struct part *part = count > 0 ? task_part(task, &shards->members[k], STORE_MIRROR_ADVANCE, NULL) : NULL;
        if (!part) {
            free(steps);
            continue;
        }
        part->own = steps;
        PART(part, store_mirror_advance)->steps = steps;
        PART(part, store_mirror_advance)->count = count;
    }
    task_go(task, ended);
}

// --- Bodies that give way to a pack. What a look has found is all of one store.

static void swapped(struct task *task)
{
    struct store_cold_swap *swap = TASK(task, store_cold_swap);
    const struct store_cold_swap *part = PART(task->parts[0], store_cold_swap);
    swap->ret_chunks = part->ret_chunks;
    swap->ret_bytes = part->ret_bytes;
    task_end(task, part_op(task->parts[0])->err);
}

// A pack is of one store: who removes it when nothing of it is wanted asks no other.
static bool is_of(const struct member *member, const struct store_cold_swap *swap)
{
    bool all = true;
    for (size_t i = 0; i < swap->count; i++)
        all = all && store_shard_of(swap->found[i].row) == member->number;
    for (size_t i = 0; i < swap->row_count; i++)
        all = all && store_shard_of(swap->rows[i]) == member->number;
    return all;
}

void go_cold_swap(struct shards *shards, struct store_op *op)
{
    const struct store_cold_swap *swap = CONTAINER_OF(op, struct store_cold_swap, op);
    int64_t of = swap->count > 0 ? swap->found[0].row : swap->row_count > 0 ? swap->rows[0] : 0;
    struct member *member = member_at(shards, of);
    uint64_t epoch = member ? cold_epoch_of(member, swap->epoch) : 0;
    if (!member || !is_of(member, swap) || (swap->node != 0 && epoch == 0)) {
        refuse(op, !member ? ERR_NOT_FOUND : is_of(member, swap) ? ERR_FENCED : ERR_INTERNAL);
        return;
    }
    struct task *task = task_new(shards, op);
    struct part *part = task_part(task, member, STORE_COLD_SWAP, op);
    PART(part, store_cold_swap)->epoch = epoch;
    struct store_cold_swap *inner = PART(part, store_cold_swap);
    struct cold_found *found = xcalloc(1, swap->count * sizeof(*found) + (swap->row_count + 1) * sizeof(int64_t));
    int64_t *rows = (int64_t *)(void *)(found + swap->count);
    part->own = found;
    for (size_t i = 0; i < swap->count; i++) {
        found[i] = swap->found[i];
        found[i].row = store_row_within(found[i].row);
        found[i].pack = store_row_within(found[i].pack);
    }
    for (size_t i = 0; i < swap->row_count; i++)
        rows[i] = store_row_within(swap->rows[i]);
    inner->found = found;
    inner->rows = rows;
    task_go(task, swapped);
}
