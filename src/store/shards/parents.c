// What waits in one store for what lies in another. The job that waits has the other's row as it is seen outside, with
// PARENT_ELSEWHERE; the other's store knows that somebody waits, and gives it out when it is over. Then whoever waits
// is told how it stands. What was lost on the way, by a crash or a store that was away, is found when all that waits is
// looked through (`whole`).
#include "store/shards/shards_private.h"

struct awaited { // something of `child` waits for this
    struct member *child;
    struct parent_key key; // as it is outside, with PARENT_ELSEWHERE
};

struct telling {
    struct awaited *items;
    size_t count, room;
    size_t at, some; // the round: so many, from there on
    struct parent_standing standings[PARENTS_MAX];
    unsigned told;
    task_fn *then;
};

struct parent_key parent_outside(const struct member *member, struct parent_key key)
{
    return (struct parent_key){key.is_batch, row_outside(member, key.row) | PARENT_ELSEWHERE};
}

struct member *parent_member(struct shards *shards, struct parent_key key)
{
    return member_at(shards, key.row & ~PARENT_ELSEWHERE);
}

struct parent_key parent_within(const struct member *member, struct parent_key key)
{
    bool here = parent_member(member->shards, key) == member;
    return (struct parent_key){key.is_batch, here ? store_row_within(key.row & ~PARENT_ELSEWHERE) : key.row};
}

static void standings_forget(struct telling *telling)
{
    for (size_t i = 0; i < PARENTS_MAX; i++) {
        free(telling->standings[i].id);
        telling->standings[i] = (struct parent_standing){0};
    }
}

static void telling_free(struct telling *telling)
{
    standings_forget(telling);
    free(telling->items);
    free(telling);
}

void telling_add(struct task *task, struct member *child, struct parent_key key)
{
    struct telling *telling = task->telling;
    if (!telling) {
        telling = task->telling = xcalloc(1, sizeof(*telling));
        task->telling_free = telling_free;
    }
    if (telling->count == telling->room) {
        telling->room = telling->room ? telling->room * 2 : 16;
        telling->items = xrealloc(telling->items, telling->room * sizeof(*telling->items));
    }
    telling->items[telling->count++] = (struct awaited){child, key};
}

unsigned telling_told(const struct task *task)
{
    return task->telling ? task->telling->told : 0;
}

static void look(struct task *task);

// --- Telling those of a round that are over

static void told(struct task *task);

static void tell(struct task *task)
{
    const struct telling *telling = task->telling;
    task_forget(task);
    for (unsigned k = 0; k < task->shards->count; k++) {
        struct member *child = &task->shards->members[k];
        struct parent_standing *over = xcalloc(telling->some + 1, sizeof(*over));
        size_t count = 0;
        for (size_t i = 0; i < telling->some; i++)
            if (telling->items[telling->at + i].child == child && telling->standings[i].over)
                over[count++] = telling->standings[i];
        if (count == 0) {
            free(over);
            continue;
        }
        struct part *part = task_part(task, child, STORE_PARENTS_TELL, NULL);
        part->own = over;
        PART(part, store_parents_tell)->parents = over;
        PART(part, store_parents_tell)->count = count;
    }
    task_go(task, told);
}

// A store that is away is told when all is looked through.
static void told(struct task *task)
{
    struct telling *telling = task->telling;
    bool more = false;
    for (unsigned i = 0; i < task->count; i++) {
        const struct store_parents_tell *part = PART(task->parts[i], store_parents_tell);
        if (part_op(task->parts[i])->err < 0)
            continue;
        telling->told += part->ret_told;
        more = more || part->ret_more;
    }
    if (more) {
        tell(task);
        return;
    }
    standings_forget(telling);
    telling->at += telling->some;
    look(task);
}

// --- How those of a round stand

// What is not there any more ended long ago, and nobody knows how.
static struct parent_standing gone(struct parent_key key)
{
    return (struct parent_standing){
        .key = key, .over = true, .failed = true, .ended = STATUS_LOST, .id = xstrdup("what is gone")};
}

static void looked(struct task *task)
{
    struct telling *telling = task->telling;
    for (unsigned k = 0; k < task->count; k++) {
        struct store_parents_look *part = PART(task->parts[k], store_parents_look);
        size_t next = 0;
        for (size_t i = 0; i < telling->some && part_op(task->parts[k])->err == 0; i++) {
            struct parent_key key = telling->items[telling->at + i].key;
            if (parent_member(task->shards, key) != task->parts[k]->member)
                continue;
            struct parent_standing *found = &part->ret_parents[next++];
            telling->standings[i] = found->key.row == 0 ? gone(key) : *found;
            telling->standings[i].key = key;
            found->id = NULL;
        }
        for (size_t i = 0; i < part->count; i++)
            free(part->ret_parents[i].id);
    }
    tell(task);
}

static void look_in(struct task *task, struct member *member)
{
    const struct telling *telling = task->telling;
    struct parent_standing *found =
        xcalloc(telling->some + 1, sizeof(struct parent_standing) + sizeof(struct parent_key));
    struct parent_key *keys = (struct parent_key *)(void *)(found + telling->some);
    size_t count = 0;
    for (size_t i = 0; i < telling->some; i++)
        if (parent_member(task->shards, telling->items[telling->at + i].key) == member)
            keys[count++] = parent_within(member, telling->items[telling->at + i].key);
    if (count == 0) {
        free(found);
        return;
    }
    struct part *part = task_part(task, member, STORE_PARENTS_LOOK, NULL);
    struct store_parents_look *query = PART(part, store_parents_look);
    part->own = found;
    query->keys = keys;
    query->count = count;
    query->awaits = true;
    query->ret_parents = found;
}

static void look(struct task *task)
{
    struct telling *telling = task->telling;
    task_forget(task);
    telling->some = MIN(telling->count - telling->at, (size_t)PARENTS_MAX);
    if (telling->some == 0) {
        telling->then(task);
        return;
    }
    for (unsigned i = 0; i < task->shards->count; i++)
        look_in(task, &task->shards->members[i]);
    task_go(task, looked);
}

void parents_tell(struct task *task, task_fn *then)
{
    if (!task->telling) {
        then(task);
        return;
    }
    task->telling->then = then;
    look(task);
}

// --- Settling, in all of them at once

struct settling {
    struct parent_key after[STORE_SHARDS_MAX]; // of each, where the last page ended
    bool read[STORE_SHARDS_MAX];               // there is no other
    size_t count;
    struct parent_key over[]; // is over now, and awaited
};

static void end(struct task *task)
{
    TASK(task, store_job_settle)->ret_settled += telling_told(task);
    task_end(task, (int)task->number);
}

static void add_awaited(struct task *task, const struct part *part)
{
    const struct store_parents_awaited *query = PART((struct part *)(uintptr_t)part, store_parents_awaited);
    for (size_t i = 0; i < query->ret_count; i++)
        telling_add(task, part->member, query->ret_keys[i]);
}

// All that waits, a page of each store at a time.
static void page_read(struct task *task);

static void read_pages(struct task *task)
{
    const struct settling *settling = task->own;
    task_forget(task);
    for (unsigned i = 0; i < task->shards->count; i++) {
        if (settling->read[i])
            continue;
        struct part *part = task_part(task, &task->shards->members[i], STORE_PARENTS_AWAITED, NULL);
        part->own = xcalloc(PARENTS_MAX, sizeof(struct parent_key));
        PART(part, store_parents_awaited)->ret_keys = part->own;
        PART(part, store_parents_awaited)->after = settling->after[i];
    }
    if (task->count == 0)
        parents_tell(task, end);
    else
        task_go(task, page_read);
}

static void page_read(struct task *task)
{
    struct settling *settling = task->own;
    for (unsigned i = 0; i < task->count; i++) {
        const struct store_parents_awaited *query = PART(task->parts[i], store_parents_awaited);
        unsigned number = task->parts[i]->member->number;
        bool good = part_op(task->parts[i])->err == 0;
        settling->read[number] = !good || query->ret_count < PARENTS_MAX;
        if (good)
            add_awaited(task, task->parts[i]);
        if (!settling->read[number])
            settling->after[number] = query->ret_keys[query->ret_count - 1];
    }
    read_pages(task);
}

// Who waits for what is over now.
static void found_waiting(struct task *task)
{
    for (unsigned i = 0; i < task->count; i++)
        if (part_op(task->parts[i])->err == 0)
            add_awaited(task, task->parts[i]);
    parents_tell(task, end);
}

static void find_waiting(struct task *task)
{
    const struct settling *settling = task->own;
    task_forget(task);
    for (unsigned k = 0; k < task->shards->count; k++) {
        struct part *part = task_part(task, &task->shards->members[k], STORE_PARENTS_AWAITED, NULL);
        part->own = xcalloc(settling->count, sizeof(struct parent_key));
        PART(part, store_parents_awaited)->ret_keys = part->own;
        PART(part, store_parents_awaited)->keys = settling->over;
        PART(part, store_parents_awaited)->count = settling->count;
    }
    task_go(task, found_waiting);
}

static void add_up(struct task *task)
{
    struct store_job_settle *all = TASK(task, store_job_settle);
    all->ret_settled = 0;
    all->ret_next_due_ms = 0;
    for (unsigned i = 0; i < task->count; i++) {
        const struct store_job_settle *part = PART(task->parts[i], store_job_settle);
        if (part_op(task->parts[i])->err < 0)
            continue;
        all->ret_settled += part->ret_settled;
        if (part->ret_next_due_ms > 0 && (all->ret_next_due_ms == 0 || part->ret_next_due_ms < all->ret_next_due_ms))
            all->ret_next_due_ms = part->ret_next_due_ms;
    }
}

static void settled(struct task *task)
{
    struct settling *settling =
        xcalloc(1, sizeof(*settling) + task->count * SETTLE_OVER_MAX * sizeof(settling->over[0]));
    task->own = settling;
    task->number = part_op(task->parts[0])->err; // the home's: of the others store_away tells
    add_up(task);
    for (unsigned i = 0; i < task->count; i++) {
        const struct store_job_settle *part = PART(task->parts[i], store_job_settle);
        for (size_t k = 0; part_op(task->parts[i])->err == 0 && k < part->ret_over_count; k++)
            settling->over[settling->count++] = parent_outside(task->parts[i]->member, part->ret_over[k]);
    }
    if (TASK(task, store_job_settle)->whole)
        read_pages(task);
    else if (settling->count > 0)
        find_waiting(task);
    else
        end(task);
}

void go_job_settle(struct shards *shards, struct store_op *op)
{
    struct task *task = task_new(shards, op);
    CONTAINER_OF(op, struct store_job_settle, op)->ret_over_count = 0;
    for (unsigned i = 0; i < shards->count; i++)
        task_part(task, &shards->members[i], STORE_JOB_SETTLE, op);
    task_go(task, settled);
}
