// Copies of all stores, beside each other: NAME of the home, NAME.1 of store 1, and so on. The home's comes last, so
// that it knows all that others have of it, such as accounts: what the home has and they do not, they are told.
#include "store/shards/shards_private.h"

#include <unistd.h>

static char *name_in(const struct store_backup *all, const struct member *member)
{
    return member->number == 0 ? str_dup(all->name) : xasprintf("%.*s.%u", STR_ARGS(all->name), member->number);
}

static void copied(struct task *task);

static void copy(struct task *task, struct member *member)
{
    const struct store_backup *all = TASK(task, store_backup);
    struct part *part = task_part(task, member, STORE_BACKUP, NULL);
    struct store_backup *one = PART(part, store_backup);
    char *name = name_in(all, member);
    part->own = name;
    one->folder = all->folder;
    one->name = str_of(name);
    task_go(task, copied);
}

// Copies of some of the stores are of no use to anybody.
static void remove_copies(const struct task *task, unsigned from, unsigned to)
{
    const struct store_backup *all = TASK(task, store_backup);
    for (unsigned i = from; i < to; i++) {
        CLEANUP(free_ptr) char *name = name_in(all, &task->shards->members[i]);
        CLEANUP(free_ptr) char *path = xasprintf("%.*s/%s", STR_ARGS(all->folder), name);
        if (unlink(path) < 0)
            log_error(task->shards->base.logger, "a copy that is of no use cannot be removed", LOG_S("path", path));
    }
}

static void refused(struct task *task, const struct part *part)
{
    struct store_backup *all = TASK(task, store_backup);
    struct store_backup *one = PART(task->parts[0], store_backup);
    int err = part_op(task->parts[0])->err;
    unsigned number = part->member->number;
    remove_copies(task, 1, number > 0 ? number : task->shards->count);
    if (err == ERR_UNSUPPORTED)
        all->ret_reason = xstrdup("this server's stores are databases, of which it makes no backups: back up each with "
                                  "the database's tools, the first one (store) last; docs/scaling.md#backups");
    else
        all->ret_reason = xasprintf("%s: %s", part->member->name, one->ret_reason ? one->ret_reason : error_text(err));
    task_end(task, err);
}

static void copied(struct task *task)
{
    struct store_backup *all = TASK(task, store_backup);
    struct part *part = task->parts[0];
    struct member *member = part->member;
    if (part_op(part)->err < 0) {
        refused(task, part);
        return;
    }
    if (member->number == 0) {
        all->ret_path = TAKE_PTR(PART(part, store_backup)->ret_path);
        all->ret_others = task->shards->count - 1;
        task_end(task, 0);
        return;
    }
    task_forget(task);
    copy(task, &task->shards->members[(member->number + 1) % task->shards->count]);
}

void go_backup(struct shards *shards, struct store_op *op)
{
    copy(task_new(shards, op), &shards->members[shards->count > 1]);
}
