// What looks at everything there is, a page at a time: one store after the other. The place says where; a number of a
// row in it begins with that of the store, also where the row is 0, at a store's beginning.
#include "store/shards/shards_private.h"

struct walk {
    enum store_op_kind kind;
    size_t from, to; // the place's row, before and after; the same member, or not
    size_t found;    // how many were; if none, the next store is asked at once
    bool (*over)(const struct store_op *op);
    void (*begin)(struct store_op *op, int64_t row); // the place is the beginning of the store of this row
    void (*nothing)(struct store_op *op);            // was found, and nothing is behind it
    void (*outward)(const struct member *member, struct store_op *op); // rows of what was found
};

#define OP(type) CONTAINER_OF(op, struct type, op)

static bool quiet_over(const struct store_op *op)
{
    return OP(store_quiet_look)->ret_last == 0;
}

static void quiet_begin(struct store_op *op, int64_t row)
{
    OP(store_quiet_look)->ret_last = row;
}

static void quiet_outward(const struct member *member, struct store_op *op)
{
    struct store_quiet_look *look = OP(store_quiet_look);
    for (size_t i = 0; i < look->ret_count; i++)
        look->ret_found[i].row = row_outside(member, look->ret_found[i].row);
}

static bool retention_over(const struct store_op *op)
{
    return OP(store_retention_look)->ret_over;
}

static void retention_begin(struct store_op *op, int64_t row)
{
    OP(store_retention_look)->cursor = (struct retention_cursor){.row = row};
    OP(store_retention_look)->ret_over = false;
}

static void retention_outward(const struct member *member, struct store_op *op)
{
    struct store_retention_look *look = OP(store_retention_look);
    for (size_t i = 0; i < look->ret_count; i++)
        look->ret_found[i].row = row_outside(member, look->ret_found[i].row);
}

static bool mirror_over(const struct store_op *op)
{
    return OP(store_mirror_look)->ret_over;
}

static void mirror_begin(struct store_op *op, int64_t row)
{
    OP(store_mirror_look)->cursor = (struct mirror_cursor){.row = row};
    OP(store_mirror_look)->ret_over = false;
}

static void mirror_outward(const struct member *member, struct store_op *op)
{
    struct store_mirror_look *look = OP(store_mirror_look);
    for (size_t i = 0; i < look->ret_count; i++)
        look->ret_found[i].row = row_outside(member, look->ret_found[i].row);
}

static bool enter_over(const struct store_op *op)
{
    return OP(store_mirror_enter)->ret_last == 0;
}

static void enter_begin(struct store_op *op, int64_t row)
{
    OP(store_mirror_enter)->ret_last = row;
}

static bool cold_over(const struct store_op *op)
{
    return OP(store_cold_look)->ret_over;
}

static void cold_begin(struct store_op *op, int64_t row)
{
    OP(store_cold_look)->cursor = (struct cold_cursor){.row = row};
    OP(store_cold_look)->ret_over = false;
}

static void cold_outward(const struct member *member, struct store_op *op)
{
    struct store_cold_look *look = OP(store_cold_look);
    for (size_t i = 0; i < look->ret_count; i++)
        look->ret_found[i].row = row_outside(member, look->ret_found[i].row);
    for (size_t i = 0; i < look->ret_row_count; i++)
        look->ret_rows[i] = row_outside(member, look->ret_rows[i]);
}

static void sparse_outward(const struct member *member, struct store_op *op)
{
    struct store_cold_sparse *sparse = OP(store_cold_sparse);
    for (size_t i = 0; i < sparse->ret_count; i++) {
        sparse->ret_found[i].row = row_outside(member, sparse->ret_found[i].row);
        sparse->ret_found[i].pack = row_outside(member, sparse->ret_found[i].pack);
    }
}

static void quiet_nothing(struct store_op *op)
{
    OP(store_quiet_look)->ret_count = 0;
    OP(store_quiet_look)->ret_last = 0;
}

static void retention_nothing(struct store_op *op)
{
    OP(store_retention_look)->ret_count = 0;
    OP(store_retention_look)->ret_over = true;
}

static void mirror_nothing(struct store_op *op)
{
    OP(store_mirror_look)->ret_count = 0;
    OP(store_mirror_look)->ret_over = true;
}

static void enter_nothing(struct store_op *op)
{
    OP(store_mirror_enter)->ret_entered = 0;
    OP(store_mirror_enter)->ret_last = 0;
}

static void cold_nothing(struct store_op *op)
{
    OP(store_cold_look)->ret_count = 0;
    OP(store_cold_look)->ret_row_count = 0;
    OP(store_cold_look)->ret_over = true;
}

static void sparse_nothing(struct store_op *op)
{
    OP(store_cold_sparse)->ret_count = 0;
    OP(store_cold_sparse)->ret_pack = 0;
}

static void nothing_outward(const struct member *member, struct store_op *op)
{
    (void)member;
    (void)op;
}

static bool sparse_over(const struct store_op *op)
{
    return OP(store_cold_sparse)->ret_pack == 0;
}

static void sparse_begin(struct store_op *op, int64_t row)
{
    OP(store_cold_sparse)->after = row;
}

#define PLACE(NAME, name, from, to, found)                                                \
    STORE_##NAME, offsetof(struct store_##name, from), offsetof(struct store_##name, to), \
        offsetof(struct store_##name, found)
static const struct walk walks[] = {
    {PLACE(QUIET_LOOK, quiet_look, after, ret_last, ret_count), quiet_over, quiet_begin, quiet_nothing, quiet_outward},
    {PLACE(RETENTION_LOOK, retention_look, cursor.row, cursor.row, ret_count), retention_over, retention_begin,
     retention_nothing, retention_outward},
    {PLACE(MIRROR_LOOK, mirror_look, cursor.row, cursor.row, ret_count), mirror_over, mirror_begin, mirror_nothing,
     mirror_outward},
    {PLACE(MIRROR_ENTER, mirror_enter, after, ret_last, ret_entered), enter_over, enter_begin, enter_nothing,
     nothing_outward},
    {PLACE(COLD_LOOK, cold_look, cursor.row, cursor.row, ret_row_count), cold_over, cold_begin, cold_nothing,
     cold_outward},
    {PLACE(COLD_SPARSE, cold_sparse, after, ret_pack, ret_count), sparse_over, sparse_begin, sparse_nothing,
     sparse_outward},
};

static const struct walk *walk_of(enum store_op_kind kind)
{
    for (size_t i = 0; i < ARRAY_LEN(walks); i++)
        if (walks[i].kind == kind)
            return &walks[i];
    return NULL;
}

static int64_t *place_in(struct store_op *op, size_t at)
{
    return (int64_t *)(void *)((char *)op + at);
}

static void walked(struct task *task);

static void ask(struct task *task, struct member *member)
{
    task_forget(task);
    store_op_release(task->op); // rooms for what was not found
    task_part(task, member, task->op->kind, task->op);
    task_go(task, walked);
}

// A store that is away is passed over: what must be done in the others goes on, and the next round looks again.
static void walked(struct task *task)
{
    struct part *part = task->parts[0];
    struct store_op *op = task->op;
    struct member *member = part->member;
    const struct walk *walk = walk_of(op->kind);
    int err = part_op(part)->err;
    bool away = err == ERR_UNAVAILABLE && member->number > 0, last = member->number + 1 == task->shards->count;
    const int64_t next = (int64_t)(member->number + 1) << STORE_SHARD_SHIFT;
    if (err < 0 && !away) {
        task_end(task, err);
        return;
    }
    if (away)
        walk->nothing(part_op(part));
    task_give(task, part);
    walk->outward(member, op);
    if (!walk->over(op)) {
        *place_in(op, walk->to) |= (int64_t)member->number << STORE_SHARD_SHIFT;
    } else if (!last) {
        walk->begin(op, next);
        *place_in(op, walk->from) = next;
        if (*(const size_t *)(const void *)((const char *)op + walk->found) == 0) {
            ask(task, &task->shards->members[member->number + 1]);
            return;
        }
    }
    task_end(task, 0);
}

void go_walk(struct shards *shards, struct store_op *op)
{
    const struct walk *walk = walk_of(op->kind);
    int64_t only = op->kind == STORE_MIRROR_ENTER ? OP(store_mirror_enter)->row : 0;
    struct member *member = member_at(shards, only != 0 ? only : *place_in(op, walk->from));
    if (!member) {
        refuse(op, ERR_NOT_FOUND);
        return;
    }
    if (only != 0) {
        go_there(shards, op, member);
        return;
    }
    struct task *task = task_new(shards, op);
    task_part(task, member, op->kind, op);
    task_go(task, walked);
}
