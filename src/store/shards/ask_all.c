// What all of the stores are asked for, as one answer. If one of them cannot answer there is none: nothing may be
// missing silently.
#include "store/catalogue/catalogue.h"
#include "store/shards/shards_private.h"

static struct task *ask_all(struct shards *shards, struct store_op *op)
{
    struct task *task = task_new(shards, op);
    for (unsigned i = 0; i < shards->count; i++)
        task_part(task, &shards->members[i], op->kind, op);
    return task;
}

// --- One execution by its identifier

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
            task_part(task, &task->shards->members[i], STORE_GET, task->op);
    task_go(task, got_rest);
}

// Where it would be made now is asked first, which is where most are.
void go_get(struct shards *shards, struct store_op *op)
{
    struct store_get *get = CONTAINER_OF(op, struct store_get, op);
    struct task *task = task_new(shards, op);
    get->ret_execution = (struct execution){0};
    task_part(task, member_for(shards, get->account, get->execution_id), STORE_GET, op);
    task_go(task, got_first);
}

// --- Lists

static bool is_begun(const struct list_place *place)
{
    bool begun = false;
    for (size_t i = 0; i < STORE_SHARDS_MAX; i++)
        begun = begun || place->rows[i] != 0;
    return begun;
}

struct merging { // the lists of the parts
    const struct task *task;
    struct store_list *list;
    size_t taken[STORE_SHARDS_MAX]; // by part
};

static const struct execution *head_of(const struct merging *it, unsigned i)
{
    const struct store_list *list = PART(it->task->parts[i], store_list);
    return it->taken[i] < list->ret_count ? &list->ret_executions[it->taken[i]] : NULL;
}

// The newest that is left. False if there is none, or if another store may have a newer one behind what it gave.
static bool next_part(const struct merging *it, unsigned *ret)
{
    const struct execution *newest = NULL;
    for (unsigned i = 0; i < it->task->count; i++) {
        const struct execution *head = head_of(it, i);
        if (!head && PART(it->task->parts[i], store_list)->ret_next_row != 0)
            return false;
        if (head && (!newest || head->created_ms > newest->created_ms)) {
            newest = head;
            *ret = i;
        }
    }
    return newest != NULL;
}

static void take(struct merging *it, unsigned i)
{
    const struct part *part = it->task->parts[i];
    struct execution *taken = &PART(it->task->parts[i], store_list)->ret_executions[it->taken[i]++];
    struct execution *given = &it->list->ret_executions[it->list->ret_count++];
    *given = *taken;
    given->row = row_outside(part->member, taken->row);
    *taken = (struct execution){.row = taken->row}; // set_places looks at it
}

// Each store goes on behind what was taken of it; one of which nothing was taken, where it began.
static void set_places(struct merging *it)
{
    struct list_place *next = &it->list->ret_next, *began = &it->list->ret_before;
    bool more = false;
    for (size_t i = 0; i < STORE_SHARDS_MAX; i++)
        next->rows[i] = began->rows[i] = i < it->task->shards->count ? LIST_PLACE_END : 0;
    for (unsigned i = 0; i < it->task->count; i++) {
        const struct store_list *list = PART(it->task->parts[i], store_list);
        unsigned number = it->task->parts[i]->member->number;
        bool left = head_of(it, i) || list->ret_next_row != 0;
        began->rows[number] = list->ret_before.rows[0];
        if (left)
            next->rows[number] =
                it->taken[i] > 0 ? list->ret_executions[it->taken[i] - 1].row : list->ret_before.rows[0];
        more = more || left;
    }
    if (!more)
        *next = (struct list_place){0};
}

static void listed(struct task *task)
{
    struct store_list *list = TASK(task, store_list);
    struct merging it = {.task = task, .list = list};
    unsigned limit = list->limit > 0 ? MIN(list->limit, CATALOGUE_LIST_MAX) : CATALOGUE_LIST_MAX, from = 0;
    int err = task_error(task);
    list->ret_count = 0;
    list->ret_total = 0;
    if (err < 0) {
        task_end(task, err);
        return;
    }
    size_t room = 0;
    for (unsigned i = 0; i < task->count; i++) {
        room += PART(task->parts[i], store_list)->ret_count;
        list->ret_total += PART(task->parts[i], store_list)->ret_total;
    }
    list->ret_executions = xcalloc(MIN(room, (size_t)limit) + 1, sizeof(*list->ret_executions));
    while (list->ret_count < limit && next_part(&it, &from))
        take(&it, from);
    set_places(&it);
    task_end(task, 0);
}

// A store that is not in the place came after the list had begun: what it has is newer.
void go_list(struct shards *shards, struct store_op *op)
{
    struct store_list *list = CONTAINER_OF(op, struct store_list, op);
    struct task *task = task_new(shards, op);
    bool begun = is_begun(&list->before);
    list->ret_executions = NULL;
    list->ret_count = 0;
    for (unsigned i = 0; i < shards->count; i++) {
        int64_t before = list->before.rows[i];
        bool over = begun && before <= 0;
        if (over && list->count_max == 0)
            continue;
        struct store_list *asked = PART(task_part(task, &shards->members[i], STORE_LIST, op), store_list);
        asked->before = (struct list_place){.rows = {over ? 1 : before}}; // 1: only the total
    }
    task_go(task, listed);
}

// --- Counts

// The home must answer, of the others store_away tells.
static void counted(struct task *task)
{
    struct store_count_open *count = TASK(task, store_count_open);
    count->ret_count = 0;
    for (unsigned i = 0; i < task->count; i++)
        count->ret_count += PART(task->parts[i], store_count_open)->ret_count;
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
