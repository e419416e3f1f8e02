// This server as a node of the store (model/node.h): it starts, says that it is alive, and takes over what other nodes
// have left. If no other process can have the store, it need not say so, and writes nothing while nothing happens. For
// one loop; node_number for any thread.
#pragma once

#include "store/store.h"

struct logger;
struct node;

#define NODE_NONE (-1) // no node of any store

struct node_options {
    struct store *store;
    const struct logger *logger;
    uint64_t beat_ms;    // 0: NODE_BEAT_MS
    const char *address; // where it listens, for people; may be NULL; borrowed
    int64_t former;      // the node that this server was when it ran before; 0: not known
    // It is this node from now on, before anything belongs to it. NULL: nobody wants to know.
    void (*became)(void *arg, int64_t node);
    // From now on a runner's lease belongs to this node.
    void (*adopted)(void *arg, const struct adopted_lease *lease);
    // A runner's lease belongs to this node, as may be known or not: a commit whose answer was lost has made it so.
    void (*owned)(void *arg, const struct adopted_lease *lease);
    // The node was fenced: nothing belongs to it any more. It starts again by itself.
    void (*fenced)(void *arg);
    // It cannot start again: while it was silent the store was brought to a schema that this program does not know. It
    // has to end. NULL: nobody wants to know.
    void (*outgrown)(void *arg);
    void *arg;
    uint64_t look_ms; // how often it reads what it holds; 0: NODE_LOOK_MS
};

struct node *node_new(const struct node_options *options);
void node_free(struct node **node);
// `started` is called once, when the node exists and before anything is adopted; or with the error if it could not be
// made.
void node_start(struct node *node, struct loop *loop, void (*started)(void *arg, int err), void *arg);
void node_stop(struct node *node);            // to be called before its loop ends
int64_t node_number(const struct node *node); // NODE_NONE: it has not started, or was fenced
bool node_vouches(const struct node *node);   // see node_may_vouch; for any thread
bool node_judges(const struct node *node);    // see node_may_judge; for any thread
