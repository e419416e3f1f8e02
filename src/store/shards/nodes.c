// This server as a node of every store: under the number that the home has given, as what one store says of nodes is
// said of its own leases. A store that is away is told when it is back.
#include "store/shards/shards_private.h"

// --- Start

// A store that was away when it started must hear of it later.
static int64_t former_of(struct shards *shards, int64_t node)
{
    int64_t former = atomic_load(&shards->former);
    return former == node ? 0 : former;
}

// It runs as soon as the home has it; in a store that did not hear of it a runner is refused until it does.
static void placed(struct task *task)
{
    const struct store_node_start *start = TASK(task, store_node_start);
    for (unsigned i = 0; i < task->count; i++)
        if (part_op(task->parts[i])->err == 0)
            atomic_store(&task->parts[i]->member->node, start->ret_node);
    task_end(task, 0);
}

static void place_node(struct task *task, struct member *member, const struct store_node_start *start, int64_t node)
{
    struct store_node_start *place = PART(task_part(task, member, STORE_NODE_START, NULL), store_node_start);
    place->node_kind = start->node_kind;
    place->address = start->address;
    place->former = start->former;
    place->number = node;
}

static void started(struct task *task)
{
    struct shards *shards = task->shards;
    const struct store_node_start *start = TASK(task, store_node_start);
    int err = part_op(task->parts[0])->err;
    task_give(task, task->parts[0]);
    if (err < 0) {
        task_end(task, err);
        return;
    }
    task_forget(task);
    atomic_store(&home_of(shards)->node, start->ret_node);
    for (unsigned i = 1; i < shards->count; i++)
        place_node(task, &shards->members[i], start, start->ret_node);
    task_go(task, placed);
}

void go_node_start(struct shards *shards, struct store_op *op)
{
    struct task *task = task_new(shards, op);
    const struct store_node_start *start = CONTAINER_OF(op, struct store_node_start, op);
    if (start->former != 0)
        atomic_store(&shards->former, start->former);
    task_part(task, home_of(shards), STORE_NODE_START, op);
    task_go(task, started);
}

struct placing {
    struct store_node_start start;
    struct awaiting awaiting;
};

static void placed_late(struct store_op *op)
{
    awaiting_end(&CONTAINER_OF(op, struct placing, start.op)->awaiting);
}

// So that runners need not wait for the next heartbeat.
int node_place_late(struct member *member, struct store *store)
{
    int64_t node = atomic_load(&home_of(member->shards)->node);
    struct placing placing = {.awaiting = AWAITING,
                              .start = {.op = {.kind = STORE_NODE_START, .done = placed_late},
                                        .node_kind = NODE_SERVER,
                                        .number = node,
                                        .former = former_of(member->shards, node)}};
    if (node == 0)
        return 0; // it is placed in all of them when it starts
    awaiting_wait(&placing.awaiting, store, &placing.start.op);
    if (placing.start.op.err == 0)
        atomic_store(&member->node, node);
    return placing.start.op.err;
}

// --- Heard of

static void beaten(struct task *task)
{
    struct store_node_beat *beat = TASK(task, store_node_beat);
    int err = 0;
    beat->ret_fenced = 0;
    for (unsigned i = 0; i < task->count; i++) {
        const struct part *part = task->parts[i];
        int answer = part_op(task->parts[i])->err;
        if (answer == ERR_NODE_FENCED || part->member->number == 0)
            err = err == ERR_NODE_FENCED ? err : answer;
        if (part_op(task->parts[i])->kind == STORE_NODE_START && answer == 0)
            atomic_store(&part->member->node, beat->node);
        else if (part_op(task->parts[i])->kind == STORE_NODE_BEAT)
            beat->ret_fenced += PART(task->parts[i], store_node_beat)->ret_fenced;
    }
    task_end(task, err);
}

// Whoever was fenced in one store must forget what it held there; it cannot do so for one alone, and starts anew.
void go_node_beat(struct shards *shards, struct store_op *op)
{
    const struct store_node_beat *beat = CONTAINER_OF(op, struct store_node_beat, op);
    const struct store_node_start again = {.node_kind = NODE_SERVER, .former = former_of(shards, beat->node)};
    struct task *task = task_new(shards, op);
    for (unsigned i = 0; i < shards->count; i++) {
        struct member *member = &shards->members[i];
        if (i == 0 || atomic_load(&member->node) == beat->node)
            task_part(task, member, STORE_NODE_BEAT, op);
        else if (!beat->leaves)
            place_node(task, member, &again, beat->node);
    }
    accounts_place_behind(shards);
    task_go(task, beaten);
}

// --- What others have left, or it has itself: of one store after the other, until there are as many as are wanted

static void adopted(struct task *task);

static size_t limit_of(const struct store_lease_adopt *adopt)
{
    return adopt->limit > 0 ? MIN(adopt->limit, STORE_ADOPT_MAX) : STORE_ADOPT_MAX;
}

static void adopt_in(struct task *task, struct member *member, int64_t after)
{
    const struct store_lease_adopt *all = TASK(task, store_lease_adopt);
    task_forget(task);
    struct store_lease_adopt *adopt = PART(task_part(task, member, STORE_LEASE_ADOPT, NULL), store_lease_adopt);
    adopt->lease_kind = all->lease_kind;
    adopt->node = all->node;
    adopt->own = all->own;
    adopt->after = after;
    adopt->limit = (unsigned)(limit_of(all) - all->ret_count);
    task_go(task, adopted);
}

static void adopted(struct task *task)
{
    struct store_lease_adopt *all = TASK(task, store_lease_adopt);
    struct part *part = task->parts[0];
    const struct store_lease_adopt *some = PART(part, store_lease_adopt);
    struct member *member = part->member;
    int err = part_op(part)->err;
    if (err < 0 && (member->number == 0 || err == ERR_NODE_FENCED)) {
        free_ptr(&all->ret_leases);
        all->ret_count = 0;
        task_end(task, err);
        return;
    }
    for (size_t i = 0; i < some->ret_count && err == 0; i++) {
        struct adopted_lease *lease = &all->ret_leases[all->ret_count++];
        *lease = some->ret_leases[i];
        if (all->lease_kind == LEASE_RUNNER)
            lease->subject = row_outside(member, lease->subject);
    }
    unsigned next = member->number + 1;
    if (all->ret_count == limit_of(all) || next == task->shards->count)
        task_end(task, 0);
    else
        adopt_in(task, &task->shards->members[next], 0);
}

void go_lease_adopt(struct shards *shards, struct store_op *op)
{
    struct store_lease_adopt *all = CONTAINER_OF(op, struct store_lease_adopt, op);
    struct member *member = member_at(shards, all->after);
    if (!member) {
        refuse(op, ERR_NOT_FOUND);
        return;
    }
    all->ret_leases = xcalloc(STORE_ADOPT_MAX, sizeof(*all->ret_leases));
    all->ret_count = 0;
    adopt_in(task_new(shards, op), member, store_row_within(all->after));
}
