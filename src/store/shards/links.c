// What a job depends on and what depends on it, and why it waits: its store knows that of its own, and the others are
// asked for what lies there.
#include "store/shards/shards_private.h"

// --- Links

static void children_take(struct store_job_links *all, struct store_job_links *some)
{
    size_t room = JOB_LINKS_MAX - MIN(all->ret_child_count, (size_t)JOB_LINKS_MAX);
    size_t count = MIN(some->ret_child_count, room);
    all->ret_more = all->ret_more || some->ret_more || some->ret_child_count > room;
    for (size_t i = 0; i < count; i++) {
        all->ret_children[all->ret_child_count++] = some->ret_children[i];
        some->ret_children[i] = (struct job_link){0}; // its strings are the caller's
    }
}

static void parents_take(const struct task *task, struct store_job_links *all, struct part *part)
{
    struct store_job_links *some = PART(part, store_job_links);
    size_t next = 0;
    for (size_t i = 0; i < all->ret_parent_count; i++) {
        struct job_link *link = &all->ret_parents[i];
        if (link->elsewhere.row == 0 || parent_member(task->shards, link->elsewhere) != part->member)
            continue;
        struct job_link *found = &some->ret_parents[next++];
        found->wish = link->wish;
        found->waits = link->waits;
        *link = *found;
        *found = (struct job_link){0};
    }
}

// Those that are not known any more are left out, as those of its own store are.
static void drop_unknown(struct store_job_links *all)
{
    size_t count = 0;
    for (size_t i = 0; i < all->ret_parent_count; i++)
        if (all->ret_parents[i].id)
            all->ret_parents[count++] = all->ret_parents[i];
    all->ret_parent_count = count;
}

static void linked(struct task *task)
{
    struct store_job_links *all = TASK(task, store_job_links);
    int err = task_error(task); // nothing is missing silently
    for (unsigned k = 0; k < task->count && err == 0; k++) {
        struct store_job_links *some = PART(task->parts[k], store_job_links);
        if (some->keys)
            parents_take(task, all, task->parts[k]);
        else
            children_take(all, some);
    }
    drop_unknown(all);
    task_end(task, err);
}

static void ask_parents(struct task *task, struct member *member)
{
    const struct store_job_links *all = TASK(task, store_job_links);
    struct parent_key *keys = xcalloc(DEPENDENCIES_MAX, sizeof(*keys));
    size_t count = 0;
    for (size_t i = 0; i < all->ret_parent_count; i++)
        if (all->ret_parents[i].elsewhere.row != 0 &&
            parent_member(task->shards, all->ret_parents[i].elsewhere) == member)
            keys[count++] = parent_within(member, all->ret_parents[i].elsewhere);
    if (count == 0) {
        free(keys);
        return;
    }
    struct part *part = task_part(task, member, STORE_JOB_LINKS, NULL);
    part->own = keys;
    PART(part, store_job_links)->keys = keys;
    PART(part, store_job_links)->key_count = count;
}

static void found_own(struct task *task)
{
    struct part *part = task->parts[0];
    struct member *own = part->member;
    int err = part_op(part)->err;
    int64_t first = PART(part, store_job_links)->ret_first;
    task_give(task, part);
    task_forget(task);
    for (unsigned i = 0; i < task->shards->count && err == 0; i++) {
        struct member *member = &task->shards->members[i];
        if (member == own)
            continue;
        ask_parents(task, member);
        struct store_job_links *some = PART(task_part(task, member, STORE_JOB_LINKS, NULL), store_job_links);
        some->child_of = parent_outside(own, (struct parent_key){.row = first}).row;
    }
    if (err < 0)
        task_end(task, err);
    else
        task_go(task, linked);
}

void go_job_links(struct shards *shards, struct store_op *op)
{
    const struct store_job_links *links = CONTAINER_OF(op, struct store_job_links, op);
    struct member *member = member_at(shards, links->row);
    if (!member) {
        refuse(op, ERR_NOT_FOUND);
        return;
    }
    struct task *task = task_new(shards, op);
    task_part(task, member, STORE_JOB_LINKS, op);
    task_go(task, found_own);
}

// --- Why it waits

static void named(struct task *task)
{
    struct store_job_waits *waits = TASK(task, store_job_waits);
    struct store_job_links *links = PART(task->parts[0], store_job_links);
    if (part_op(task->parts[0])->err == 0 && links->ret_parent_count > 0)
        waits->ret_parent = TAKE_PTR(links->ret_parents[0].id);
    task_end(task, 0); // without a name if that store is away
}

static void waits(struct task *task)
{
    struct store_job_waits *all = TASK(task, store_job_waits);
    int err = part_op(task->parts[0])->err;
    task_give(task, task->parts[0]);
    struct member *member = all->ret_elsewhere.row != 0 ? parent_member(task->shards, all->ret_elsewhere) : NULL;
    if (err < 0 || !member) {
        task_end(task, err);
        return;
    }
    task_forget(task);
    struct part *part = task_part(task, member, STORE_JOB_LINKS, NULL);
    struct parent_key *key = part->own = xcalloc(1, sizeof(*key));
    *key = parent_within(member, all->ret_elsewhere);
    PART(part, store_job_links)->keys = key;
    PART(part, store_job_links)->key_count = 1;
    task_go(task, named);
}

void go_job_waits(struct shards *shards, struct store_op *op)
{
    struct store_job_waits *all = CONTAINER_OF(op, struct store_job_waits, op);
    struct member *member = member_at(shards, all->row);
    if (!member) {
        refuse(op, ERR_NOT_FOUND);
        return;
    }
    struct task *task = task_new(shards, op);
    task_part(task, member, STORE_JOB_WAITS, op);
    task_go(task, waits);
}
