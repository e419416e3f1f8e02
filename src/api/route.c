#include "api/route.h"

#include "model/role.h"

#include <assert.h>

static const char *const method_names[] = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"};

// --- The tree

struct route_tree {
    struct str segment;          // "" for the root and for captures
    struct route_tree *children; // sorted by segment
    size_t child_count;
    struct route_tree *capture; // where a segment of any name leads; may be NULL
    struct route_tree *rest;    // where any number of segments leads; may be NULL
    const struct route *by_method[HTTP_M_OTHER];
    bool any; // by_method has a route
};

static int compare(struct str a, struct str b)
{
    int order = memcmp(a.data, b.data, MIN(a.len, b.len));
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static bool is_capture(struct str segment)
{
    return segment.len > 2 && segment.data[0] == '{';
}

static bool is_rest(struct str segment)
{
    return is_capture(segment) && segment.len > 5 && memcmp(segment.data + segment.len - 4, "...}", 4) == 0;
}

// Returns the index of the segment among the children, or the index where it would be inserted.
static size_t child_place(const struct route_tree *node, struct str segment)
{
    size_t low = 0, high = node->child_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare(node->children[middle].segment, segment) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static struct route_tree *child_of(const struct route_tree *node, struct str segment)
{
    size_t at = child_place(node, segment);
    return at < node->child_count && str_eq(node->children[at].segment, segment) ? &node->children[at] : NULL;
}

static struct route_tree *grow(struct route_tree *node, struct str segment)
{
    if (is_capture(segment)) {
        struct route_tree **to = is_rest(segment) ? &node->rest : &node->capture;
        if (!*to)
            *to = xcalloc(1, sizeof(**to));
        return *to;
    }
    struct route_tree *child = child_of(node, segment);
    if (child)
        return child;
    size_t at = child_place(node, segment);
    node->children = xrealloc(node->children, (node->child_count + 1) * sizeof(*node->children));
    memmove(node->children + at + 1, node->children + at, (node->child_count - at) * sizeof(*node->children));
    node->child_count++;
    node->children[at] = (struct route_tree){.segment = segment};
    return &node->children[at];
}

struct route_tree *route_tree_new(const struct route *routes)
{
    struct route_tree *root = xcalloc(1, sizeof(*root));
    for (const struct route *route = routes; route->pattern; route++) {
        struct str rest = str_of(route->pattern + 1);
        struct route_tree *node = root;
        while (rest.len)
            node = grow(node, str_split(&rest, '/'));
        assert(!node->by_method[route->method]);
        node->by_method[route->method] = route;
        node->any = true;
    }
    return root;
}

static void release(struct route_tree *node)
{
    for (size_t i = 0; i < node->child_count; i++)
        release(&node->children[i]);
    free(node->children);
    route_tree_free(&node->capture);
    route_tree_free(&node->rest);
}

void route_tree_free(struct route_tree **tree)
{
    if (!*tree)
        return;
    release(*tree);
    free(*tree);
    *tree = NULL;
}

// `path` is the part behind the node. Returns NULL if no route ends there. It goes no deeper than the longest pattern.
static const struct route_tree *walk(const struct route_tree *node, struct str path, bool more)
{
    if (!more)
        return node->any ? node : NULL;
    const struct route_tree *rest = path.len > 0 ? node->rest : NULL;
    more = str_find(path, '/') != NULL;
    struct str segment = str_split(&path, '/');
    if (!segment.len)
        return rest;
    const struct route_tree *child = child_of(node, segment);
    const struct route_tree *found = child ? walk(child, path, more) : NULL;
    if (!found && node->capture)
        found = walk(node->capture, path, more);
    return found ? found : rest;
}

static bool has_head(const struct route *route)
{
    return route && !(route->flags & ROUTE_SOCKET);
}

static void take_captures(struct str path, struct route_match *ret)
{
    struct str pattern = str_of(ret->route->pattern);
    while (pattern.len && ret->capture_count < ROUTE_CAPTURES_MAX) {
        struct str want = str_split(&pattern, '/');
        if (is_rest(want)) {
            ret->captures[ret->capture_count++] = (struct route_capture){str_n(want.data + 1, want.len - 5), path};
            return;
        }
        struct str have = str_split(&path, '/');
        if (is_capture(want))
            ret->captures[ret->capture_count++] = (struct route_capture){str_n(want.data + 1, want.len - 2), have};
    }
}

void route_tree_find(const struct route_tree *tree, enum http_method method, struct str path, struct route_match *ret)
{
    *ret = (struct route_match){0};
    if (path.len < 1 || path.data[0] != '/')
        return;
    // "/" by itself has no segment at all; behind other segments a '/' opens one.
    const struct route_tree *node = walk(tree, str_n(path.data + 1, path.len - 1), path.len > 1);
    if (!node)
        return;
    ret->others = node->by_method;
    if (method == HTTP_M_HEAD && has_head(node->by_method[HTTP_M_GET]))
        method = HTTP_M_GET;
    if (method >= HTTP_M_OTHER || !node->by_method[method])
        return;
    ret->route = node->by_method[method];
    take_captures(path, ret);
}

void route_allow(const struct route *const *others, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_LEN(method_names); i++)
        if (others[i] || (i == HTTP_M_HEAD && has_head(others[HTTP_M_GET])))
            buf_printf(out, "%s%s", out->len ? ", " : "", method_names[i]);
}

// --- Labels of metrics

size_t route_count(const struct route *routes)
{
    size_t count = 0;
    while (routes[count].pattern)
        count++;
    return count;
}

void route_label(struct buf *out, size_t cell, const void *arg)
{
    const struct route *routes = arg;
    if (cell == 0)
        buf_append_text(out, "method=\"\",route=\"\"");
    else
        buf_printf(out, "method=\"%s\",route=\"%s\"", method_names[routes[cell - 1].method], routes[cell - 1].pattern);
}

void route_answer_label(struct buf *out, size_t cell, const void *arg)
{
    route_label(out, cell / ROUTE_CLASSES, arg);
    buf_printf(out, ",class=\"%zuxx\"", cell % ROUTE_CLASSES + 1);
}

// --- Documents of the table

static void document_fields(const struct field *fields, const char *where, struct buf *out)
{
    for (const struct field *field = fields; field && field->name; field++) {
        buf_append_text(out, "| `");
        field_name(field, out);
        buf_printf(out, "` | %s%s | ", where, field->flags & FIELD_REQUIRED ? ", required" : "");
        field_values(field, out);
        buf_append_text(out, " | ");
        if (field->fallback)
            buf_printf(out, "%lld", (long long)field->fallback);
        buf_printf(out, " | %s |\n", field->meaning);
    }
}

static void document_route(const struct route *route, struct buf *out)
{
    buf_printf(out, "| %s | `%s` |", method_names[route->method], route->pattern);
    if (route->action == ACTION_PUBLIC)
        buf_append_text(out, " no credential");
    for (enum role role = ROLE_VIEWER; route->action != ACTION_PUBLIC && role < ROLE_COUNT; role++)
        if (role_may(role, route->action))
            buf_printf(out, " %s", role_name(role));
    if (route->action != ACTION_PUBLIC && role_may(ROLE_RUN, route->action))
        buf_append_text(out, ", run token");
    buf_printf(out, " | %s |\n", route->summary);
}

void route_document(const struct route *routes, struct buf *out)
{
    buf_append_text(out, "| method | path | roles | what |\n|---|---|---|---|\n");
    for (const struct route *route = routes; route->pattern; route++)
        document_route(route, out);
    buf_append_text(out, "\n## Parameters and members\n\n"
                         "A parameter that a route does not have is refused with 400, a member of a body with 422.\n"
                         "Beside these, a stream takes `access_token`, a ticket.\n");
    for (const struct route *route = routes; route->pattern; route++) {
        if (!route->query && !route->body)
            continue;
        buf_printf(out, "\n### %s `%s`\n\n| name | where | value | default | what |\n|---|---|---|---|---|\n",
                   method_names[route->method], route->pattern);
        document_fields(route->query, "query", out);
        document_fields(route->body, "body", out);
    }
}

static void fields_json(const struct field *fields, const char *name, struct json_writer *json)
{
    json_open_array(json, name);
    for (const struct field *field = fields; field && field->name; field++)
        field_json(field, json);
    json_close(json);
}

// As OpenAPI writes it: "{name}" also for what may be several segments.
static void path_json(const struct route *route, struct json_writer *json)
{
    CLEANUP(buf_release) struct buf path = {0};
    struct str rest = str_of(route->pattern + 1);
    if (!rest.len)
        buf_append_byte(&path, '/');
    while (rest.len) {
        struct str segment = str_split(&rest, '/');
        bool many = is_rest(segment);
        buf_printf(&path, "/%.*s%s", (int)(segment.len - (many ? 4 : 0)), segment.data, many ? "}" : "");
    }
    json_add_str(json, "path", buf_str(&path));
}

static void route_json(const struct route *route, struct json_writer *json)
{
    json_open_object(json, NULL);
    json_add_text(json, "method", method_names[route->method]);
    path_json(route, json);
    json_open_array(json, "roles");
    for (enum role role = ROLE_VIEWER; route->action != ACTION_PUBLIC && role < ROLE_COUNT; role++)
        if (role_may(role, route->action))
            json_add_text(json, NULL, role_name(role));
    json_close(json);
    json_add_bool(json, "run_token", route->action != ACTION_PUBLIC && role_may(ROLE_RUN, route->action));
    json_add_text(json, "resource", resource_name(route->resource));
    json_add_bool(json, "ticket", route->flags & ROUTE_TICKET);
    json_add_bool(json, "socket", route->flags & ROUTE_SOCKET);
    json_add_bool(json, "any_query", route->flags & ROUTE_ANY_QUERY);
    json_add_bool(json, "fields_422", route->flags & ROUTE_FIELDS_422);
    json_add_text(json, "body",
                  route->body                     ? "object"
                  : route->flags & ROUTE_RECORDS  ? "records"
                  : route->flags & ROUTE_CONTENT  ? "content"
                  : route->flags & ROUTE_EXPORT   ? "export"
                  : route->flags & ROUTE_DELIVERY ? "delivery"
                                                  : NULL);
    fields_json(route->query, "query", json);
    fields_json(route->body, "members", json);
    json_close(json);
}

void route_document_json(const struct route *routes, struct buf *out)
{
    struct json_writer json = json_writer_to(out);
    json_open_array(&json, NULL);
    for (const struct route *route = routes; route->pattern; route++)
        route_json(route, &json);
    json_close(&json);
    json_writer_end(&json);
    buf_append_byte(out, '\n');
}
