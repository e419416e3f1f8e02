// Workers whose id another machine uses at another server of the store. Who joins here gets no job before the others'
// rosters were looked at. Of two that came at about the same time, neither is in a roster yet; so for some ticks after
// somebody came they are looked at again, and then the one that came first stays, whichever server looks.
#include "jobs/dispatch_private.h"
#include "model/roster_entry.h"

#define LOOKS_AGAIN 5 // a roster is told at the next tick, and again if that failed

static bool came_first(const struct roster_entry *other, const struct worker_session *session)
{
    int64_t since_ms = worker_session_since_ms(session);
    if (other->since_ms != since_ms)
        return other->since_ms < since_ms;
    char instance[WORKER_INSTANCE_MAX + 1];
    str_put(instance, sizeof(instance), other->instance);
    return strcmp(instance, worker_session_offer(session)->instance) < 0;
}

static void judge(void *arg, const struct roster_entry *other)
{
    struct dispatch *dispatch = arg;
    char key[WORKER_KEY_MAX + 1];
    if (other->worker_id.len > WORKER_ID_MAX)
        return;
    worker_key_make(other->account, other->worker_id, key);
    struct dispatch_worker *worker = dispatch_worker_of(dispatch, str_of(key));
    if (!worker || !dispatch_is_other(other->instance, worker->session))
        return;
    if (worker->checked && !came_first(other, worker->session))
        return;
    dispatch_worker_refuse(dispatch, worker->session);
    dispatch_worker_left(dispatch, worker->session);
}

static void pass(struct dispatch *dispatch)
{
    for (struct list_node *it = dispatch->workers.next; it != &dispatch->workers; it = it->next) {
        struct dispatch_worker *worker = CONTAINER_OF(it, struct dispatch_worker, node);
        worker->checked |= worker->check <= dispatch->others_round;
    }
    dispatch_workers_look(dispatch);
}

static void heard(struct store_op *op)
{
    struct dispatch *dispatch = CONTAINER_OF(op, struct dispatch, others.op);
    pthread_mutex_lock(&dispatch->mutex);
    dispatch->others_busy = false;
    for (size_t i = 0; op->err == 0 && !dispatch->stopping && i < dispatch->others.ret_count; i++)
        roster_read(str_of(dispatch->others.ret_rosters[i]), judge, dispatch);
    if (op->err == 0 && !dispatch->stopping)
        pass(dispatch);
    store_op_release(op);
    if (dispatch->others_again && !dispatch->stopping)
        dispatch_others_look(dispatch);
    pthread_mutex_unlock(&dispatch->mutex);
}

void dispatch_others_look(struct dispatch *dispatch)
{
    dispatch->others_again = dispatch->others_busy;
    if (dispatch->others_busy)
        return;
    dispatch->others_busy = true;
    dispatch->others_round++;
    dispatch->others = (struct store_rosters){
        .op = {.kind = STORE_ROSTERS, .reply_to = dispatch->options.loop, .done = heard},
        .but = hub_node(dispatch->options.hub),
    };
    store_submit(dispatch->options.store, &dispatch->others.op);
}

void dispatch_others_joined(struct dispatch *dispatch)
{
    if (store_alone(dispatch->options.store))
        return;
    dispatch->others_ticks = LOOKS_AGAIN;
    dispatch_others_look(dispatch);
}

void dispatch_others_tick(struct dispatch *dispatch)
{
    if (dispatch->others_ticks == 0)
        return;
    bool waits = false;
    for (struct list_node *it = dispatch->workers.next; it != &dispatch->workers; it = it->next)
        waits |= !CONTAINER_OF(it, struct dispatch_worker, node)->checked;
    if (!waits) // else the store is away, and it goes on
        dispatch->others_ticks--;
    dispatch_others_look(dispatch);
}
