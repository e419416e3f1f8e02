// One row of the table of routes, and how a request finds its row.
#pragma once

#include "api/fields.h"
#include "api/resource.h"
#include "auth/auth.h"
#include "http/http.h"

#define ROUTE_CAPTURES_MAX 4

enum route_flags {
    ROUTE_TICKET = 1,          // takes a ticket in ?access_token=, or as a subprotocol
    ROUTE_SOCKET = 2,          // becomes a WebSocket
    ROUTE_METRICS = 4,         // asks for a credential if the setting metrics_credential says so
    ROUTE_RECORDS = 8,         // the body is records, which the handler reads itself
    ROUTE_CONTENT = 32,        // the body is bytes, which the handler has read in parts; it runs when the head has come
    ROUTE_BLOBS = 64,          // needs the store of content
    ROUTE_FIELDS_422 = 128,    // a wrong parameter is 422, with its field, and not 400
    ROUTE_EXPORT = 512,        // the body is what an exporter of logs sends, which the handler reads itself
    ROUTE_DELIVERY = 1024,     // the body is what Data Firehose delivers; the credential may be in its own header
    ROUTE_BODY_OPTIONAL = 256, // without a body it is as with an empty object
    ROUTE_READS = 2048,        // reads a log: one that is kept elsewhere is fetched before
    ROUTE_FOLLOWS = 4096,      // the same, but what is there is enough to begin with
    ROUTE_ANY_QUERY = 16, // parameters that the row does not have are ignored: probes and newer clients may send them
};

struct route {
    enum http_method method;
    // "{id}" stands for one segment, "{name...}" for all that follow; the handler gets it by that name
    const char *pattern;
    enum action action;
    enum resource resource; // what {id} names
    unsigned flags;
    // NULL: none. A route with neither a body nor a flag for one refuses a body unread.
    const struct field *query, *body;
    size_t body_max; // bytes of the body, decoded; 0: what the setting body_max says
    void (*handle)(struct call *call);
    // Tells a known caller of a WebSocket why it is refused (404, 410, 403). NULL: refused by an HTTP answer.
    void (*refuse)(struct call *call, int err);
    const char *summary;
};

struct route_capture {
    struct str name, value; // the value as it was sent
};

struct route_match {
    const struct route *route; // NULL: there is none
    // If `route` is NULL: the routes of that path by method; NULL if no route has that path.
    const struct route *const *others;
    struct route_capture captures[ROUTE_CAPTURES_MAX];
    unsigned capture_count;
};

// The table as a tree of segments. `routes` ends with a NULL pattern; it is borrowed.
struct route_tree;
struct route_tree *route_tree_new(const struct route *routes);
void route_tree_free(struct route_tree **tree);
// A segment that a pattern spells out is preferred to a capture. Routes of GET serve HEAD.
void route_tree_find(const struct route_tree *tree, enum http_method method, struct str path, struct route_match *ret);
void route_allow(const struct route *const *others, struct buf *out); // writes the header Allow

static inline bool route_takes_body(const struct route *route)
{
    return route->body || route->flags & (ROUTE_RECORDS | ROUTE_CONTENT | ROUTE_EXPORT | ROUTE_DELIVERY);
}

// Labels of metrics that are told apart by route (`arg`: the table). The first cell is that of requests without a
// route, whose pattern is empty; then come the rows in order. By answer each has ROUTE_CLASSES cells, from 1xx to 5xx.
#define ROUTE_CLASSES 5
size_t route_count(const struct route *routes);
void route_label(struct buf *out, size_t cell, const void *arg);
void route_answer_label(struct buf *out, size_t cell, const void *arg);

// Markdown of the table for docs/routes.md, and JSON for tests.
void route_document(const struct route *routes, struct buf *out);
void route_document_json(const struct route *routes, struct buf *out);
