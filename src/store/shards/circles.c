// Whether what the jobs of a batch wait for waits for that batch, through any of the stores: what waits for it is asked
// for, round by round, each store telling all that lies in it. Two batches that are given jobs in the same instant,
// each waiting for the other, are not seen.
#include "store/shards/order.h"

static bool is_known(const struct order *order, struct parent_key key)
{
    for (size_t i = 0; i < order->waiting_count; i++)
        if (order->waiting[i].key.is_batch == key.is_batch && order->waiting[i].key.row == key.row)
            return true;
    return false;
}

static void note_waiting(struct order *order, struct parent_key key, const struct member *by)
{
    if (is_known(order, key))
        return;
    if (order->waiting_count == PARENT_WAITING_MAX)
        order->err = ERR_TOO_LARGE;
    else
        order->waiting[order->waiting_count++] = (struct waiting){key, by};
}

static bool any_waits(const struct order *order)
{
    bool any = false;
    for (size_t i = 0; i < order->ids.count; i++)
        any = any || (order->found[i].key.row != 0 && !order->found[i].over);
    return any;
}

static void ask_waiting(struct task *task);

static void heard_waiting(struct task *task)
{
    struct order *order = task->order;
    size_t before = order->waiting_count;
    int err = task_error(task);
    for (unsigned k = 0; k < task->count && err == 0; k++) {
        const struct store_parents_waiting *part = PART(task->parts[k], store_parents_waiting);
        if (!part->ret_all)
            order->err = ERR_TOO_LARGE;
        for (size_t i = 0; i < part->ret_count; i++) {
            struct parent_key key = part->ret_keys[i];
            note_waiting(order, key.row >= PARENT_ELSEWHERE ? key : parent_outside(task->parts[k]->member, key),
                         task->parts[k]->member);
        }
    }
    order->err = err < 0 ? err : order->err;
    order->waiting_asked = before;
    ask_waiting(task);
}

// If there is more than can be looked at, it is refused.
static void judge_circles(struct order *order)
{
    bool all = order->err == ERR_TOO_LARGE;
    for (size_t i = 0; i < order->ids.count; i++)
        order->circles[i] = all || is_known(order, order->found[i].key);
    order->err = all ? 0 : order->err;
}

static void ask_waiting(struct task *task)
{
    struct order *order = task->order;
    size_t some = order->waiting_count - order->waiting_asked;
    task_forget(task);
    for (unsigned k = 0; k < task->shards->count && some > 0 && order->err == 0; k++) {
        struct member *member = &task->shards->members[k];
        struct parent_key *keys = xcalloc(some + PARENT_WAITING_MAX, sizeof(*keys));
        size_t count = 0;
        for (size_t i = order->waiting_asked; i < order->waiting_count; i++)
            if (order->waiting[i].by != member) // it has told all that waits there for this one
                keys[count++] = parent_within(member, order->waiting[i].key);
        if (count == 0) {
            free(keys);
            continue;
        }
        struct part *part = task_part(task, member, STORE_PARENTS_WAITING, NULL);
        struct store_parents_waiting *query = PART(part, store_parents_waiting);
        part->own = keys;
        query->keys = keys;
        query->count = count;
        query->ret_keys = keys + some;
    }
    if (task->count > 0) {
        task_go(task, heard_waiting);
        return;
    }
    judge_circles(order);
    order->then(task);
}

void order_find_circles(struct task *task, struct parent_key batch, task_fn *then)
{
    struct order *order = task->order;
    order->then = then;
    if (!any_waits(order)) {
        then(task);
        return;
    }
    order->waiting = xcalloc(PARENT_WAITING_MAX, sizeof(*order->waiting));
    note_waiting(order, batch, NULL);
    ask_waiting(task);
}
