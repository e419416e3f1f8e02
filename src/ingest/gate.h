// The gate is where intakes wait when they have more on its way to the store than they may. Each loop has one. They go
// on in the order in which they began to wait, as far as their accounts have room. See util/budget.h.
#pragma once

#include "loop/loop.h"
#include "util/budget.h"

struct intake_gate {
    struct budget *budget; // NULL: only each intake's own limit counts
    struct loop *loop;
    struct list_node waiting; // of struct gate_waiter
    struct deferred wake;
    struct timer *retry; // used when nothing of this loop is under way whose end would wake a waiter
    unsigned under_way;  // appends of this loop that the store has not answered
};

struct gate_waiter {
    struct list_node node; // after list_init
    struct budget_account *account;
    size_t wants;                           // bytes that it will probably add when it goes on
    bool (*may_go)(struct gate_waiter *it); // whether its own limit allows it; the gate checks the account's
    void (*go)(struct gate_waiter *it);     // called when it has left the gate
};

void intake_gate_init(struct intake_gate *gate, struct loop *loop, struct budget *budget);
void intake_gate_release(struct intake_gate *gate); // only when nobody waits any more
void intake_gate_wait(struct intake_gate *gate, struct gate_waiter *waiter);
void intake_gate_began(struct intake_gate *gate);
void intake_gate_ended(struct intake_gate *gate); // an append has ended: waiters may go on at the end of the turn
