// Leases: a runner's lies with its execution, others in the home. A swap of cold chunks is fenced by the transaction
// that makes it, so the mover's lease lies in every store. The mover knows the home's; the others have epochs of their
// own, which stand for that one. All must be there for a claim: who has it in all is the only one who swaps anywhere.
#include "store/shards/shards_private.h"

// The epoch of the mover's lease in this store, if it was claimed together with this one of the home; 0: it was not.
uint64_t cold_epoch_of(struct member *member, uint64_t home_epoch)
{
    if (member->number == 0)
        return home_epoch;
    return atomic_load(&member->cold_for) == home_epoch ? atomic_load(&member->cold_epoch) : 0;
}

static void others_asked(struct task *task)
{
    const struct store_lease *lease = TASK(task, store_lease);
    for (unsigned i = 0; i < task->count && lease->ask.cause == NODE_LEASE_CLAIM; i++) {
        struct member *member = task->parts[i]->member;
        bool given = part_op(task->parts[i])->err == 0;
        atomic_store(&member->cold_epoch, PART(task->parts[i], store_lease)->ret_lease.epoch);
        atomic_store(&member->cold_for, given ? lease->ret_lease.epoch : 0);
    }
    task_end(task, task_error(task));
}

static void home_asked(struct task *task)
{
    struct store_lease *lease = TASK(task, store_lease);
    struct shards *shards = task->shards;
    int err = part_op(task->parts[0])->err;
    task_give(task, task->parts[0]);
    task_forget(task);
    for (unsigned i = 1; i < shards->count && err == 0; i++) {
        struct member *member = &shards->members[i];
        struct store_lease *there = PART(task_part(task, member, STORE_LEASE, &lease->op), store_lease);
        if (lease->ask.cause != NODE_LEASE_CLAIM)
            there->ask.epoch = cold_epoch_of(member, lease->ask.epoch);
    }
    if (err < 0)
        task_end(task, err);
    else
        task_go(task, others_asked);
}

void go_lease(struct shards *shards, struct store_op *op)
{
    const struct store_lease *lease = CONTAINER_OF(op, struct store_lease, op);
    if (lease->lease_kind == LEASE_RUNNER) {
        go_by_row(shards, op);
    } else if (lease->lease_kind != LEASE_COLD) {
        go_home(shards, op);
    } else {
        struct task *task = task_new(shards, op);
        task_part(task, home_of(shards), STORE_LEASE, op);
        task_go(task, home_asked);
    }
}
