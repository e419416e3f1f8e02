#include "model/graph.h"

#include <jansson.h>

#define SHOWN 64 // bytes of an id in a reason

struct checking {
    json_t *ids; // an object whose names are the ids so far
    struct graph_problem *problem;
};

PRINTF_LIKE(2, 3) static bool wrong(struct checking *it, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(it->problem->reason, sizeof(it->problem->reason), format, args);
    va_end(args);
    return false;
}

// The first member that is none of `names`, which end with NULL; NULL: there is none.
static const char *unknown_member(const json_t *object, const char *const *names)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)(uintptr_t)object, name, value)
    {
        size_t i = 0;
        while (names[i] && strcmp(names[i], name) != 0)
            i++;
        if (!names[i])
            return name;
    }
    return NULL;
}

// --- Nodes

static bool text_fits(const json_t *value, size_t min, size_t max)
{
    size_t len = json_string_length(value);
    return json_is_string(value) && len >= min && len <= max && strlen(json_string_value(value)) == len;
}

static bool check_labels(struct checking *it, const json_t *node, size_t i)
{
    const json_t *name = json_object_get(node, "name"), *type = json_object_get(node, "type");
    if (name && !json_is_null(name) && !text_fits(name, 0, GRAPH_ID_MAX))
        return wrong(it, "nodes[%zu].name must be a text of at most %d bytes", i, GRAPH_ID_MAX);
    if (type && !json_is_null(type) && !text_fits(type, 0, GRAPH_TYPE_MAX))
        return wrong(it, "nodes[%zu].type must be a text of at most %d bytes", i, GRAPH_TYPE_MAX);
    return true;
}

static bool check_node(struct checking *it, const json_t *node, size_t i)
{
    static const char *const members[] = {"id", "name", "type", NULL};
    if (!json_is_object(node))
        return wrong(it, "nodes[%zu] must be an object with an id", i);
    const json_t *id = json_object_get(node, "id");
    const char *unknown = unknown_member(node, members);
    if (unknown)
        return wrong(it, "nodes[%zu] has a member that is not known: %.*s", i, SHOWN, unknown);
    if (!text_fits(id, 1, GRAPH_ID_MAX))
        return wrong(it, "nodes[%zu].id must be a text of 1 to %d bytes", i, GRAPH_ID_MAX);
    if (json_object_get(it->ids, json_string_value(id)))
        return wrong(it, "nodes[%zu].id is there twice: %.*s", i, SHOWN, json_string_value(id));
    json_object_set_new(it->ids, json_string_value(id), json_true());
    return check_labels(it, node, i);
}

static bool check_nodes(struct checking *it, const json_t *nodes)
{
    if (!json_is_array(nodes))
        return wrong(it, "nodes must be a list of objects with an id each");
    if (json_array_size(nodes) > GRAPH_NODES_MAX)
        return wrong(it, "nodes must be at most %d", GRAPH_NODES_MAX);
    for (size_t i = 0; i < json_array_size(nodes); i++)
        if (!check_node(it, json_array_get(nodes, i), i))
            return false;
    return true;
}

// --- Edges

static bool check_edge(struct checking *it, const json_t *edge, size_t i)
{
    bool pair = json_is_array(edge) && json_array_size(edge) == 2;
    for (size_t end = 0; end < 2; end++) {
        const char *id = pair ? json_string_value(json_array_get(edge, end)) : NULL;
        if (!id)
            return wrong(it, "edges[%zu] must be a pair [\"from\", \"to\"] of ids of nodes", i);
        if (!json_object_get(it->ids, id))
            return wrong(it, "edges[%zu] names a node that is not there: %.*s", i, SHOWN, id);
    }
    return true;
}

static bool check_edges(struct checking *it, const json_t *edges)
{
    if (!edges || json_is_null(edges))
        return true;
    if (!json_is_array(edges))
        return wrong(it, "edges must be a list of pairs [\"from\", \"to\"]");
    if (json_array_size(edges) > GRAPH_EDGES_MAX)
        return wrong(it, "edges must be at most %d", GRAPH_EDGES_MAX);
    for (size_t i = 0; i < json_array_size(edges); i++)
        if (!check_edge(it, json_array_get(edges, i), i))
            return false;
    return true;
}

// --- The whole

static bool check_size(struct checking *it, const json_t *graph)
{
    size_t len = json_dumpb(graph, NULL, 0, JSON_COMPACT);
    return len <= GRAPH_TEXT_MAX || wrong(it, "must be at most %zu bytes long", GRAPH_TEXT_MAX);
}

bool graph_check(const struct json_t *graph, struct graph_problem *ret_problem)
{
    static const char *const members[] = {"nodes", "edges", NULL};
    struct checking it = {.ids = json_object(), .problem = ret_problem};
    const char *unknown = json_is_object(graph) ? unknown_member(graph, members) : NULL;
    bool good = unknown ? wrong(&it, "has a member that is not known: %.*s", SHOWN, unknown) : json_is_object(graph);
    if (!good && !unknown)
        wrong(&it, "must be an object with nodes and edges");
    good = good && check_nodes(&it, json_object_get(graph, "nodes")) &&
           check_edges(&it, json_object_get(graph, "edges")) && check_size(&it, graph);
    json_decref(it.ids);
    return good;
}

// --- Its nodes

struct graph_nodes {
    json_t *graph, *ids; // an object whose names are the ids
};

struct graph_nodes *graph_nodes_new(struct str text)
{
    json_t *graph = text.len > 0 ? json_loadb(text.data, text.len, 0, NULL) : NULL;
    if (!graph)
        return NULL;
    struct graph_nodes *nodes = xcalloc(1, sizeof(*nodes));
    *nodes = (struct graph_nodes){.graph = graph, .ids = json_object()};
    for (size_t i = 0; i < graph_nodes_count(nodes); i++)
        json_object_set_new(nodes->ids, graph_nodes_at(nodes, i).id, json_true());
    return nodes;
}

void graph_nodes_free(struct graph_nodes **nodes)
{
    if (!*nodes)
        return;
    json_decref((*nodes)->graph);
    json_decref((*nodes)->ids);
    free(TAKE_PTR(*nodes));
}

size_t graph_nodes_count(const struct graph_nodes *nodes)
{
    return nodes ? json_array_size(json_object_get(nodes->graph, "nodes")) : 0;
}

struct graph_node graph_nodes_at(const struct graph_nodes *nodes, size_t i)
{
    const json_t *node = json_array_get(json_object_get(nodes->graph, "nodes"), i);
    return (struct graph_node){
        .id = json_string_value(json_object_get(node, "id")),
        .name = json_string_value(json_object_get(node, "name")),
        .type = json_string_value(json_object_get(node, "type")),
    };
}

bool graph_nodes_has(const struct graph_nodes *nodes, struct str id)
{
    return nodes && json_object_getn(nodes->ids, id.data, id.len);
}
