#include "ingest/gate.h"

#define RETRY_MS 50

static void let_go_on(struct intake_gate *gate)
{
    struct list_node going;
    size_t granted = 0; // bytes of the waiters that go on now, which they have not handed over yet
    list_init(&going);
    LIST_FOR_EACH_SAFE(node, next, &gate->waiting) {
        struct gate_waiter *waiter = CONTAINER_OF(node, struct gate_waiter, node);
        size_t wants = granted + waiter->wants;
        // If nothing is under way, the first waiter may always go on: a message larger than any share must pass, too.
        bool alone = gate->under_way == 0 && list_empty(&going);
        if (!waiter->may_go(waiter) || (!alone && budget_room(waiter->account, BUDGET_intake) < wants))
            continue;
        granted = wants;
        list_remove(node);
        list_push_back(&going, node);
    }
    while (!list_empty(&going)) {
        struct gate_waiter *waiter = CONTAINER_OF(going.next, struct gate_waiter, node);
        list_remove(&waiter->node);
        waiter->go(waiter);
    }
    if (!list_empty(&gate->waiting) && gate->under_way == 0)
        timer_start(gate->retry, RETRY_MS);
}

static void on_wake(struct deferred *deferred)
{
    let_go_on(CONTAINER_OF(deferred, struct intake_gate, wake));
}

static void on_retry(void *arg)
{
    let_go_on(arg);
}

void intake_gate_init(struct intake_gate *gate, struct loop *loop, struct budget *budget)
{
    *gate = (struct intake_gate){.loop = loop, .budget = budget};
    list_init(&gate->waiting);
    deferred_init(&gate->wake, on_wake);
    gate->retry = timer_new(loop, on_retry, gate);
}

void intake_gate_release(struct intake_gate *gate)
{
    deferred_cancel(&gate->wake);
    timer_free(&gate->retry);
}

void intake_gate_wait(struct intake_gate *gate, struct gate_waiter *waiter)
{
    if (list_empty(&waiter->node))
        list_push_back(&gate->waiting, &waiter->node);
}

void intake_gate_began(struct intake_gate *gate)
{
    gate->under_way++;
}

void intake_gate_ended(struct intake_gate *gate)
{
    gate->under_way--;
    if (!list_empty(&gate->waiting))
        loop_defer(gate->loop, &gate->wake);
}
