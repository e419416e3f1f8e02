// Operations on nodes and their leases (model/node.h). Conventions: store/store.h. Who has something that only one may
// do at a time takes a lease of it: a kind of its own in enum lease_kind, and STORE_LEASE.
#pragma once

#include "model/node.h"
#include "store/op.h"
#include "util/str.h"

// --- Commits

// Somebody is there from now on, as a new node. Where only one process can have the store, all servers before this one
// are fenced by it.
struct store_node_start {
    struct store_op op;
    enum node_kind node_kind;
    struct str address; // where it is to be found, for people; may be empty
    int64_t ret_node;
};

// It is heard of, and so are all leases that it holds; and it fences those that are not. ERR_NODE_FENCED: it was
// fenced itself, and has to forget what it held. Not needed where only one process can have the store.
struct store_node_beat {
    struct store_op op;
    int64_t node;
    uint64_t ret_fenced; // how many others it fenced
};

// One lease: claimed, taken back, renewed, released. The refusals of node_lease_next; ERR_NODE_FENCED: the node that
// asks was fenced itself.
struct store_lease {
    struct store_op op;
    enum lease_kind lease_kind;
    int64_t subject;
    struct node_lease_ask ask;
    struct node_lease ret_lease;
};

// Takes over leases that fenced nodes have left, up to `limit`: as many as that: ask again. Of two nodes that ask at
// once each gets others. ERR_NODE_FENCED.
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
    struct adopted_lease *ret_leases;
    size_t ret_count;
};
#define STORE_ADOPT_MAX 1000
