// Operations that are carried out by operations on some of the stores.
#include "store/shards/shards_private.h"
#include "util/clock.h"

static struct part *part_new(struct member *member, enum store_op_kind kind, const struct store_op *like)
{
    struct part *part = xcalloc(1, sizeof(*part) + store_kinds[kind].size);
    part->member = member;
    if (like)
        memcpy(part->op, like, store_kinds[kind].size);
    struct store_op *op = part_op(part);
    *op = (struct store_op){.kind = kind, .account = like ? like->account : 0, .scan = like && like->scan};
    return part;
}

static const struct shards_route *route_of(struct part *part)
{
    return &part->member->shards->routes[part_op(part)->kind];
}

static int64_t *row_at(struct part *part, size_t at)
{
    return (int64_t *)(void *)(part->op + at);
}

static void rows_inward(struct part *part)
{
    const struct shards_route *route = route_of(part);
    for (size_t i = 0; i < ARRAY_LEN(route->rows) && route->rows[i] > 0; i++)
        *row_at(part, route->rows[i]) = store_row_within(*row_at(part, route->rows[i]));
}

static void rows_outward(struct part *part)
{
    const struct shards_route *route = route_of(part);
    for (size_t i = 0; i < ARRAY_LEN(route->rows) && route->rows[i] > 0; i++)
        *row_at(part, route->rows[i]) = row_outside(part->member, *row_at(part, route->rows[i]));
    if (route->outward)
        route->outward(part->member, part_op(part));
}

// Rows are as they are seen outside before the caller's operation has them, as it may be looked at meanwhile.
static void part_give(struct part *part, struct store_op *outer)
{
    const size_t head = sizeof(struct store_op), size = store_kinds[outer->kind].size;
    rows_outward(part);
    memcpy((char *)outer + head, part->op + head, size - head);
    part->given = true;
}

static void part_free(struct part *part)
{
    if (!part->given)
        store_op_release(part_op(part));
    free(part->own);
    free(part);
}

// A store that has refused to serve is told about, until it serves again.
static void note(struct part *part)
{
    int err = part_op(part)->err == ERR_UNAVAILABLE ? ERR_UNAVAILABLE : 0;
    struct member *member = part->member;
    if (atomic_exchange(&member->away, err) == err)
        return;
    const struct logger *logger = member->shards->base.logger;
    if (err)
        log_error(logger, "a store is away; what lies in others goes on", LOG_S("store", member->name));
    else
        log_info(logger, "a store is back", LOG_S("store", member->name));
    if (!err) // what it and others had to tell each other is looked for
        store_publish(&member->shards->base, &(struct store_change){.elsewhere = true, .missed = true}, 1);
}

// --- One operation in the place of another

static struct part *part_of(struct store_op *op)
{
    return (struct part *)(void *)((char *)op - offsetof(struct part, op));
}

static void there_process(struct store_op *op)
{
    struct part *part = part_of(op);
    part_give(part, part->outer);
    part->outer->err = op->err;
    part->outer->process(part->outer);
}

static void there_done(struct store_op *op)
{
    struct part *part = part_of(op);
    struct store_op *outer = part->outer;
    note(part);
    if (!part->given) {
        part_give(part, outer);
        outer->err = op->err;
    }
    part_free(part);
    outer->done(outer);
}

void go_there(struct shards *shards, struct store_op *op, struct member *member)
{
    (void)shards;
    struct part *part = part_new(member, op->kind, op);
    struct store_op *inner = part_op(part);
    part->outer = op;
    inner->reply_to = op->reply_to;
    inner->done = there_done;
    inner->process = op->process ? there_process : NULL;
    rows_inward(part);
    store_submit(member->store, inner);
}

static void probe_done(struct store_op *op)
{
    struct part *part = part_of(op);
    note(part);
    atomic_store(&part->member->probed_ms, 0);
    part_free(part);
}

void member_probe(struct member *member)
{
    uint64_t none = 0;
    if (!atomic_compare_exchange_strong(&member->probed_ms, &none, clock_mono_ms()))
        return;
    struct part *part = part_new(member, STORE_COUNT_OPEN, NULL);
    PART(part, store_count_open)->probe = true;
    part_op(part)->done = probe_done;
    store_submit(member->store, part_op(part));
}

void refuse(struct store_op *op, int err)
{
    op->err = err;
    store_reply(op);
}

void go_home(struct shards *shards, struct store_op *op)
{
    store_submit(home_of(shards)->store, op);
}

// Rows of the home are the same inside and outside.
void go_by_row(struct shards *shards, struct store_op *op)
{
    int64_t row;
    memcpy(&row, (const char *)op + shards->routes[op->kind].rows[0], sizeof(row));
    struct member *member = member_at(shards, row);
    if (!member)
        refuse(op, ERR_NOT_FOUND);
    else if (member->number == 0)
        go_home(shards, op);
    else
        go_there(shards, op, member);
}

// --- Tasks

struct task *task_new(struct shards *shards, struct store_op *op)
{
    struct task *task = xcalloc(1, sizeof(*task));
    task->shards = shards;
    task->op = op;
    return task;
}

static void part_done(struct store_op *op)
{
    struct part *part = part_of(op);
    struct task *task = part->task;
    note(part);
    if (atomic_fetch_sub(&task->left, 1) == 1)
        task->next(task);
}

struct part *task_part(struct task *task, struct member *member, enum store_op_kind kind, const struct store_op *like)
{
    struct part *part = part_new(member, kind, like);
    part->task = task;
    part_op(part)->done = part_done;
    if (like)
        rows_inward(part);
    task->parts[task->count++] = part;
    return part;
}

// Whoever answers the last part may free the task, also before all are submitted here.
void task_go(struct task *task, task_fn *next)
{
    struct part *parts[TASK_PARTS_MAX];
    unsigned count = task->count;
    memcpy(parts, task->parts, sizeof(parts));
    task->next = next;
    atomic_store(&task->left, count);
    for (unsigned i = 0; i < count; i++)
        store_submit(parts[i]->member->store, part_op(parts[i]));
    if (count == 0)
        next(task);
}

void task_forget(struct task *task)
{
    for (unsigned i = 0; i < task->count; i++)
        part_free(task->parts[i]);
    task->count = 0;
}

void task_give(struct task *task, struct part *part)
{
    part_give(part, task->op);
}

int task_error(const struct task *task)
{
    for (unsigned i = 0; i < task->count; i++)
        if (part_op(task->parts[i])->err < 0)
            return part_op(task->parts[i])->err;
    return 0;
}

void task_end(struct task *task, int err)
{
    struct store_op *op = task->op;
    task_forget(task);
    if (task->telling)
        task->telling_free(task->telling);
    if (task->order)
        task->order_free(task->order);
    free(task->own);
    free(task);
    op->err = err;
    if (op->process)
        op->process(op);
    store_reply(op);
}
