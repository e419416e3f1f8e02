// Nodes, and the leases that they hold. A node is whoever does work on a store that others use, too: a server, later a
// worker. A lease says which node looks after something: a runner's execution, later a job or a task that only one may
// do at a time. Pure: what stands and what is asked for go in, what stands afterwards comes out. Every adapter of the
// store asks this at the commit. Times are milliseconds of the store's own clock. See docs/internals/leases.md.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// --- Nodes

#define NODE_BEAT_MS   5000  // a node is heard of so often
#define NODE_SILENT_MS 30000 // one that is silent for longer may be fenced by any other

enum node_kind { NODE_SERVER = 1, NODE_WORKER = 2 }; // numbers that the store has

struct node_sign { // of one node, as the store has it
    bool fenced;   // or not there any more: it holds nothing, and never will again
    int64_t heartbeat_ms;
};

// Nodes that were heard of at this time or later are not silent.
int64_t node_silent_before(int64_t now_ms);
// Whoever could not reach the store itself does not know whether others could: it waits for their next heartbeat.
bool node_may_fence(int64_t own_heartbeat_before_ms, int64_t now_ms);

// --- Leases

enum lease_kind {     // numbers that the store has
    LEASE_RUNNER = 1, // subject: an execution, of which a runner was heard there; epoch: that of the execution
};

struct node_lease { // as the store has it; all 0: nobody ever held it
    int64_t node;
    uint64_t epoch;      // one more with each claim: whoever holds an older one is fenced
    int64_t deadline_ms; // it has run out by then; 0: it lasts for as long as its node is heard of
};

enum node_lease_cause {
    NODE_LEASE_CLAIM,  // somebody new: its epoch is one more. What the node holds already it may claim anew
    NODE_LEASE_RETURN, // whoever has this epoch goes on, on whatever node it appears
    NODE_LEASE_ADOPT,  // a node takes over what another one left, or looks at its own: epoch and deadline stay
    NODE_LEASE_RENEW,  // its node gives it another deadline
    NODE_LEASE_RELEASE // its node lets it go; the epoch stays
};

struct node_lease_ask {
    enum node_lease_cause cause;
    int64_t node;   // who asks
    uint64_t epoch; // of RETURN, RENEW and RELEASE: that it has. Of CLAIM: the new one, if what it is of counts them
    int64_t deadline_ms; // of CLAIM and RENEW
};

// Somebody has it: nobody else may claim it. `holder`: the sign of its node.
bool node_lease_held(const struct node_lease *lease, const struct node_sign *holder, int64_t now_ms);
// 0 with what stands afterwards. ERR_HELD; ERR_FENCED: it is another node's, or has another epoch. `ret` may be `now`.
int node_lease_next(const struct node_lease *now, const struct node_sign *holder, const struct node_lease_ask *ask,
                    int64_t now_ms, struct node_lease *ret);
