// Nodes, and the leases that they hold. A node does work on a store that others use, too: it is a server, later a
// worker. A lease tells which node looks after something that only one may look after: the runner of an execution,
// later a job or a task. Pure: the present state and a request go in, the next state comes out. Every adapter of the
// store calls this at commit. Times are milliseconds of the store's own clock. See docs/internals/leases.md.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// --- Nodes

#define NODE_BEAT_MS   5000  // how often a node says that it is alive
#define NODE_SILENT_MS 30000 // any other node may fence one that is silent for longer
// One that is silent for longer than this has missed a heartbeat: it has probably gone, and its clients elsewhere.
#define NODE_LATE_MS 7000

#define NODE_LOOK_MS 60000 // how often a node of a shared store reads what it holds there

enum node_kind { NODE_SERVER = 1, NODE_WORKER = 2 }; // the numbers are stored

struct node_sign { // of one node, as the store has it
    bool fenced;   // fenced, or deleted: it holds nothing, and never will again
    int64_t heartbeat_ms;
};

// Nodes that were heard of at this time or later are not silent.
int64_t node_silent_before(int64_t now_ms);
// A node that could not reach the store does not know whether others could. So it waits for their next heartbeat.
bool node_may_fence(int64_t own_heartbeat_before_ms, int64_t now_ms);
// Whether a server may tell that a lease of its was renewed: no other node can have fenced it yet, which would look
// after the lease from then on. `taken_ms`: when it sent the last heartbeat that the store took, by its own clock.
bool node_may_vouch(uint64_t taken_ms, uint64_t now_ms);
// Whether silence says something about a server's runners: it has reached the store of late, and has not stood still.
// While it had not, they may have been refused, here or by another server that they went to. `taken_ms` as above.
bool node_may_judge(uint64_t taken_ms, uint64_t now_ms);

// --- Leases

enum lease_kind {     // the numbers are stored
    LEASE_RUNNER = 1, // subject: an execution whose runner is connected there; epoch: that of the execution
    LEASE_SWEEP = 2,  // subject: 1; its node looks for what retention lets go
    LEASE_MIRROR = 3, // subject: 1; its node copies logs elsewhere
    LEASE_COLD = 4,   // subject: 1; its node moves cold chunks
};

struct node_lease { // as it is stored; all 0: nobody has ever held it
    int64_t node;
    uint64_t epoch;      // each claim raises it; a holder with an older one is fenced
    int64_t deadline_ms; // when it runs out; 0: it lasts as long as its node is alive
    int64_t asked_ms;    // when its holder came last, by the clock of the holder's machine; 0: not told
};

// What a holder has asked for may come to the store long after it has gone on to another node, which looks after the
// lease since. So RETURN is refused to one that has asked less than this before the last one. If it seems to be longer
// ago, the machine has been started again meanwhile, and its clock too.
#define NODE_OVERTAKEN_MS 120000

enum node_lease_cause {
    NODE_LEASE_CLAIM,  // a new holder: the epoch is raised. A node may also claim again what it holds
    NODE_LEASE_RETURN, // the holder with this epoch goes on, on whatever node it appears
    NODE_LEASE_ADOPT,  // a node takes over what another one has left, or looks at its own; epoch and deadline stay
    NODE_LEASE_RENEW,  // the node gives it another deadline
    NODE_LEASE_RELEASE // the node gives it up; the epoch stays
};

struct node_lease_ask {
    enum node_lease_cause cause;
    int64_t node; // the asking node
    // For RETURN, RENEW and RELEASE: the epoch that it has; for CLAIM: the new one, if the subject counts epochs
    // itself.
    uint64_t epoch;
    int64_t deadline_ms; // for CLAIM and RENEW
    // For RETURN: when the holder has asked; 0: not told. A CLAIM of a runner need not tell: only who was answered has
    // the epoch that it made, so every RETURN of that epoch was asked for later, and those of former epochs are fenced.
    int64_t asked_ms;
};

// Somebody holds it, so nobody else may claim it. `holder` is the sign of its node.
bool node_lease_held(const struct node_lease *lease, const struct node_sign *holder, int64_t now_ms);
// A claim of a subject that counts epochs itself is also ERR_HELD where the node alone has gone: whoever has the epoch
// may live, and come back. So is a RETURN that was overtaken. Returns 0 and the next state; ERR_HELD; or ERR_FENCED: it
// belongs to another node, or has another epoch. `ret` may be `now`.
int node_lease_next(const struct node_lease *now, const struct node_sign *holder, const struct node_lease_ask *ask,
                    int64_t now_ms, struct node_lease *ret);
