// The graph of a workflow: its nodes and the edges between them, as clients send it. Checked once, when it is set.
// Pure.
#pragma once

#include "util/str.h"

struct json_t;

#define GRAPH_NODES_MAX 10000
#define GRAPH_EDGES_MAX 10000
#define GRAPH_TEXT_MAX  ((size_t)2 * 1024 * 1024) // bytes of its compact text
#define GRAPH_ID_MAX    255                       // bytes of a node's id and of its name, as in records
#define GRAPH_TYPE_MAX  100

struct graph_problem {
    char reason[200]; // for people: which node or edge, and what is wrong with it
};

// Whether it is {"nodes":[{"id","name"?,"type"?}],"edges"?:[["from","to"]]}: ids are unique, and edges name nodes. A
// circle is allowed, as engines have loops, and so are two edges between the same nodes.
bool graph_check(const struct json_t *graph, struct graph_problem *ret_problem);

// The nodes of a checked graph, by their order and by their id. NULL for an empty text: no graph.
struct graph_nodes;
struct graph_node {
    const char *id, *name, *type; // the last two may be NULL
};
struct graph_nodes *graph_nodes_new(struct str text);
void graph_nodes_free(struct graph_nodes **nodes);
size_t graph_nodes_count(const struct graph_nodes *nodes); // 0 for NULL
struct graph_node graph_nodes_at(const struct graph_nodes *nodes, size_t i);
bool graph_nodes_has(const struct graph_nodes *nodes, struct str id); // false for NULL
