// Where intakes wait that have more on its way to the store than they may: one a loop. They go on in the order in which
// they began to wait, as far as their accounts have room. See util/budget.h.
#pragma once

#include "loop/loop.h"
#include "util/budget.h"

struct intake_gate {
    struct budget *budget; // NULL: each intake's own limit alone
    struct loop *loop;
    struct list_node waiting; // struct gate_waiter
    struct deferred wake;
    struct timer *retry; // when nothing of this loop is under way whose end would wake it
    unsigned under_way;  // hand-overs of this loop
};

struct gate_waiter {
    struct list_node node; // list_init'ed
    struct budget_account *account;
    size_t wants;                           // bytes that it is likely to add when it goes on
    bool (*may_go)(struct gate_waiter *it); // whether its own limit allows it; the account's is looked at here
    void (*go)(struct gate_waiter *it);     // it has left the gate
};

void intake_gate_init(struct intake_gate *gate, struct loop *loop, struct budget *budget);
void intake_gate_release(struct intake_gate *gate); // when nobody waits any more
void intake_gate_wait(struct intake_gate *gate, struct gate_waiter *waiter);
void intake_gate_began(struct intake_gate *gate);
void intake_gate_ended(struct intake_gate *gate); // some may go on, at the end of the turn
