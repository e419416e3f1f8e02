// Accounts are the home's. Every other store is told what they are, as its executions are suspended, kept and purged by
// them.
#include "store/shards/shards_private.h"

static int64_t account_of(const struct store_op *op)
{
    if (op->kind == STORE_ACCOUNT_ENSURE)
        return CONTAINER_OF(op, struct store_account_ensure, op)->ret_account;
    if (op->kind == STORE_ACCOUNT_CREATE)
        return CONTAINER_OF(op, struct store_account_create, op)->ret_account.row;
    return CONTAINER_OF(op, struct store_account_change, op)->ret_account.row;
}

// --- What was decided is told

static void placed(struct task *task)
{
    struct shards *shards = task->shards;
    for (unsigned i = 0; i < task->count; i++)
        if (part_op(task->parts[i])->err < 0)
            atomic_store(&task->parts[i]->member->behind, true);
    accounts_place_behind(shards);
    task_end(task, 0);
}

// The rows of the one part become the task's; gives how many there are.
static size_t keep_rows(struct task *task)
{
    struct store_account_rows *rows = PART(task->parts[0], store_account_rows);
    size_t count = rows->ret_count;
    free(task->own);
    task->own = TAKE_PTR(rows->ret_rows);
    task_forget(task);
    return count;
}

static void place(struct task *task, struct member *member, size_t count)
{
    struct store_account_place *place = PART(task_part(task, member, STORE_ACCOUNT_PLACE, NULL), store_account_place);
    place->rows = task->own;
    place->count = count;
}

static void read_one(struct task *task)
{
    struct shards *shards = task->shards;
    bool failed = part_op(task->parts[0])->err < 0;
    size_t count = failed ? 0 : keep_rows(task);
    // Rows that were read before this change may be on their way, and come behind it.
    for (unsigned i = 1; i < shards->count && (failed || atomic_load(&shards->placing)); i++)
        atomic_store(&shards->members[i].behind, true);
    if (count == 0) {
        task_end(task, 0); // what was decided stands
        return;
    }
    for (unsigned i = 1; i < shards->count; i++)
        place(task, &shards->members[i], count);
    task_go(task, placed);
}

static void read_rows(struct task *task, int64_t after, unsigned limit, task_fn *next)
{
    task_forget(task);
    struct store_account_rows *rows =
        PART(task_part(task, home_of(task->shards), STORE_ACCOUNT_ROWS, NULL), store_account_rows);
    rows->after_row = after;
    rows->limit = limit;
    task_go(task, next);
}

static void decided(struct task *task)
{
    int err = part_op(task->parts[0])->err;
    task_give(task, task->parts[0]);
    if (err < 0)
        task_end(task, err);
    else
        read_rows(task, account_of(task->op) - 1, 1, read_one);
}

static void decide(struct task *task)
{
    task_forget(task);
    task_part(task, home_of(task->shards), task->op->kind, task->op);
    task_go(task, decided);
}

// --- An account that is to be deleted must be empty in all of them

static void looked(struct task *task)
{
    int err = task_error(task);
    for (unsigned i = 0; i < task->count && err == 0; i++)
        err = PART(task->parts[i], store_list)->ret_count > 0 ? ERR_CONFLICT : 0;
    if (err < 0)
        task_end(task, err);
    else
        decide(task);
}

static void found(struct task *task)
{
    const struct store_account_list *list = PART(task->parts[0], store_account_list);
    if (part_op(task->parts[0])->err < 0 || list->ret_count == 0) {
        decide(task); // and hear why not
        return;
    }
    int64_t account = list->ret_accounts[0].row;
    task_forget(task);
    for (unsigned i = 1; i < task->shards->count; i++) {
        struct store_list *any = PART(task_part(task, &task->shards->members[i], STORE_LIST, NULL), store_list);
        any->account = account;
        any->limit = 1;
    }
    task_go(task, looked);
}

void go_account(struct shards *shards, struct store_op *op)
{
    const struct store_account_change *change = CONTAINER_OF(op, struct store_account_change, op);
    struct task *task = task_new(shards, op);
    if (op->kind != STORE_ACCOUNT_CHANGE || change->state != ACCOUNT_DELETED || change->purge) {
        decide(task);
        return;
    }
    struct store_account_list *list =
        PART(task_part(task, home_of(shards), STORE_ACCOUNT_LIST, NULL), store_account_list);
    list->name = change->name;
    task_go(task, found);
}

// --- Those that are behind are told everything

static void told(struct store_op *op)
{
    free(op);
}

static void read_page(struct task *task);

// task->op->account has a bit for each store that is told; op->scan says that one was not.
static void failed(struct task *task, struct member *member)
{
    atomic_store(&member->behind, true);
    task->op->scan = true;
}

static void placed_page(struct task *task)
{
    struct shards *shards = task->shards;
    for (unsigned i = 0; i < task->count; i++)
        if (part_op(task->parts[i])->err < 0)
            failed(task, task->parts[i]->member);
    if (task->number > 0) {
        read_rows(task, task->number, ACCOUNT_ROWS_MAX, read_page);
        return;
    }
    atomic_store(&shards->placing, false);
    if (!task->op->scan) // else the next one who asks for it tries again
        accounts_place_behind(shards);
    task_end(task, 0);
}

static void read_page(struct task *task)
{
    struct shards *shards = task->shards;
    bool read = part_op(task->parts[0])->err == 0;
    size_t count = read ? keep_rows(task) : 0;
    const struct account_row *rows = task->own;
    task_forget(task);
    task->number = count == ACCOUNT_ROWS_MAX ? rows[count - 1].row : 0; // there may be more behind it
    for (unsigned i = 1; i < shards->count; i++) {
        if ((task->op->account >> i & 1) == 0)
            continue;
        if (read)
            place(task, &shards->members[i], count);
        else
            failed(task, &shards->members[i]);
    }
    task_go(task, placed_page);
}

void accounts_place_behind(struct shards *shards)
{
    int64_t which = 0;
    if (atomic_exchange(&shards->placing, true))
        return;
    for (unsigned i = 1; i < shards->count; i++)
        which |= (int64_t)atomic_exchange(&shards->members[i].behind, false) << i;
    if (which == 0) {
        atomic_store(&shards->placing, false);
        return;
    }
    struct store_op *op = xcalloc(1, sizeof(*op));
    *op = (struct store_op){.kind = STORE_ACCOUNT_ROWS, .account = which, .done = told};
    struct task *task = task_new(shards, op);
    read_rows(task, 0, ACCOUNT_ROWS_MAX, read_page);
}
