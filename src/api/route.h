// One row of the table of routes, and how a request finds its own.
#pragma once

#include "api/fields.h"
#include "api/resource.h"
#include "auth/auth.h"
#include "http/http.h"

#define ROUTE_CAPTURES_MAX 4

enum route_flags {
    ROUTE_TICKET = 1,  // takes a ticket by ?access_token=, or as a subprotocol
    ROUTE_SOCKET = 2,  // becomes a WebSocket
    ROUTE_METRICS = 4, // asks for a credential if the setting metrics_credential says so
    ROUTE_RECORDS = 8, // the body is records, which the handler reads itself
    ROUTE_ANY_QUERY =
        16, // parameters that the row does not have are passed over: probes and newer clients may send them
};

struct route {
    enum http_method method;
    const char *pattern; // "{id}" stands for one segment, which the handler has by that name
    enum action action;
    enum resource resource; // that {id} names
    unsigned flags;
    const struct field *query, *body; // NULL: none. A route with neither a body nor ROUTE_RECORDS refuses one unread.
    void (*handle)(struct call *call);
    // Tells a known caller of a WebSocket why it is refused (404, 410, 403); NULL: as HTTP does.
    void (*refuse)(struct call *call, int err);
    const char *summary;
};

struct route_capture {
    struct str name, value; // the value as sent
};

struct route_match {
    const struct route *route;         // NULL: there is none
    const struct route *const *others; // then: by method, those of the same path; NULL if the path is nobody's
    struct route_capture captures[ROUTE_CAPTURES_MAX];
    unsigned capture_count;
};

// The table as a tree of segments. `routes` ends with a NULL pattern and is borrowed.
struct route_tree;
struct route_tree *route_tree_new(const struct route *routes);
void route_tree_free(struct route_tree **tree);
// A segment that a pattern spells out goes before a capture. HEAD is served by routes of GET.
void route_tree_find(const struct route_tree *tree, enum http_method method, struct str path, struct route_match *ret);
void route_allow(const struct route *const *others, struct buf *out); // of the header Allow

static inline bool route_takes_body(const struct route *route)
{
    return route->body || route->flags & ROUTE_RECORDS;
}

// Markdown of the table for docs/routes.md, and JSON of it for tests.
void route_document(const struct route *routes, struct buf *out);
void route_document_json(const struct route *routes, struct buf *out);
