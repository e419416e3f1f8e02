// One row of the table of routes, and how a request finds its own.
#pragma once

#include "auth/auth.h"
#include "http/http.h"

struct call;

enum route_flags {
    ROUTE_EXECUTION =
        1, // {id} is an execution of the account (404, 410), seen by its owner alone if the principal is a user
    ROUTE_STREAM = 2, // takes ?access_token=
    ROUTE_PURGED = 4, // also for purged executions
    ROUTE_OWN = 8,    // a `user` may do it to what it owns even when its role may not otherwise
    ROUTE_BODY = 64,  // takes a body; others refuse it unread
    ROUTE_UPGRADE =
        16, // WebSocket, also with a ticket as a subprotocol; refusals after the credential are told by close codes
    ROUTE_METRICS = 32, // asks for a credential if the setting metrics_credential says so
};

struct route {
    enum http_method method;
    const char *pattern; // "{id}" and "{name}" stand for one segment
    enum action action;
    unsigned flags;
    void (*handle)(struct call *call);
    const char *summary;
};

struct route_match {
    struct str execution_id, parameter; // as sent
};
// The route of a request, HEAD being served by those of GET. NULL if there is none; *ret_other_method then tells whether the path
// is that of another method. `routes` ends with a NULL pattern.
const struct route *route_find(const struct route *routes, enum http_method method, struct str path,
                               struct route_match *ret, bool *ret_other_method);
void route_add_allow(const struct route *routes, struct http_request *request, struct str path); // the header Allow
// Markdown of the table, for docs/routes.md.
void route_document(const struct route *routes, struct buf *out);
