// This server as a node of the store (model/node.h): it starts, is heard of, takes over what others have left. Where no
// other process can have the store it is not heard of, and writes nothing while nothing happens. One loop; node_number
// on any thread.
#pragma once

#include "store/store.h"

struct logger;
struct node;

#define NODE_NONE (-1) // no node of any store

struct node_options {
    struct store *store;
    const struct logger *logger;
    uint64_t beat_ms;    // 0: NODE_BEAT_MS
    const char *address; // where it listens, for people; or NULL. Borrowed
    // A runner's lease is this node's from now on.
    void (*adopted)(void *arg, const struct adopted_lease *lease);
    // It was fenced: nothing is its own any more. It starts anew by itself.
    void (*fenced)(void *arg);
    void *arg;
};

struct node *node_new(const struct node_options *options);
void node_free(struct node **node);
// `started` once it is there, and before anything is adopted; then, or when it could not be, never again.
void node_start(struct node *node, struct loop *loop, void (*started)(void *arg, int err), void *arg);
void node_stop(struct node *node);            // before its loop ends
int64_t node_number(const struct node *node); // NODE_NONE: it has not started, or was fenced
