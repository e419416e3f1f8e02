// Operations on nodes and their leases (model/node.h). Conventions: store/store.h. For a thing that only one node may
// do at a time, a node takes a lease: with its own kind in enum lease_kind, and STORE_LEASE.
#pragma once

#include "model/node.h"
#include "store/op.h"
#include "util/str.h"

// --- Commits

// A server is present from now on, as a new node. If only one process can have the store, all earlier nodes are fenced.
struct store_node_start {
    struct store_op op;
    enum node_kind node_kind;
    struct str address; // where it can be reached, for people; may be empty
    // One of several stores: the number that the home has given; 0: the store gives one. What a node of this number has
    // left here, anybody may adopt.
    int64_t number;
    int64_t former; // the node that this server was before it ended, which is fenced; 0: none
    int64_t ret_node;
};

// The node is alive, and so are all leases that it holds. It also fences nodes that are not alive. ERR_NODE_FENCED: it
// was fenced itself and must forget what it held. Not needed if only one process can have the store.
struct store_node_beat {
    struct store_op op;
    int64_t node;
    bool leaves;         // it is alive no more: others may take over at once what it holds
    uint64_t ret_fenced; // how many other nodes it fenced
};

// One lease: claimed, taken back, renewed or released. Returns the refusals of node_lease_next; ERR_NODE_FENCED if the
// asking node was fenced itself.
struct store_lease {
    struct store_op op;
    enum lease_kind lease_kind;
    int64_t subject;
    struct node_lease_ask ask;
    struct node_lease ret_lease;
};

// Takes over up to `limit` leases that fenced nodes have left. If so many come, ask again. Of two nodes that ask at the
// same time, each gets others. ERR_NODE_FENCED.
struct adopted_lease {
    int64_t subject;
    struct node_lease lease;
    bool ran_out; // its deadline has passed
};
struct store_lease_adopt {
    struct store_op op;
    enum lease_kind lease_kind;
    int64_t node;
    unsigned limit; // at most STORE_ADOPT_MAX
    // Instead of those: what the node holds already, in order of subjects above `after`. A claim whose answer was lost
    // is known to the store alone.
    bool own;
    int64_t after;
    struct adopted_lease *ret_leases;
    size_t ret_count;
};
#define STORE_ADOPT_MAX 1000

// A server of a shared store says what it has counted (server/tallies.h). What it said before is forgotten.
#define TALLY_MAX ((size_t)64 * 1024)
struct store_tally_tell {
    struct store_op op;
    int64_t node;
    struct str tally; // at most TALLY_MAX bytes
};

// --- Queries

// What the other servers of a shared store say that they have counted, but for those that are late (NODE_LATE_MS).
#define TALLIES_MAX 256
struct store_tallies {
    struct store_op op;
    int64_t but; // without this node's
    char **ret_tallies;
    size_t ret_count;
};
