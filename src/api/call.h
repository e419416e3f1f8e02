// One request on its way through the interface: its life and its answers. All of it on the loop's thread.
#pragma once

#include "api/lookup.h"
#include "api/route.h"

struct json_t;

// Lives while the request is unanswered or an operation of it is under way.
struct call {
    struct api *api;
    struct http_request *request; // NULL once answered or when the client has gone
    const struct route *route;
    enum action action;                                // the route's, unless a setting makes it another
    struct route_capture captures[ROUTE_CAPTURES_MAX]; // decoded; valid while `request` is
    unsigned capture_count;
    struct json_t *body; // of routes with fields of a body: the object, checked; NULL elsewhere
    struct principal principal;
    struct execution_lookup lookup;
    struct execution execution; // of routes with RESOURCE_EXECUTION; its strings are those of lookup.kept
    void (*loaded)(struct call *call, int err); // private: of resource.c
    unsigned refs;
    bool before_body; // of the request, nothing but the head has come
    uint64_t began_ns;
    struct auth_check check;
};

void call_ref(struct call *call);
void call_unref(struct call *call);
struct str call_capture(const struct call *call, const char *name); // of the path, by the name in the route's pattern
void call_watch(struct call *call);                                 // hear of the client's going (again)
// Hands the request to an upgrade or a stream: the call forgets it. NULL if the client has gone.
struct http_request *call_take_request(struct call *call);

// Answers; each forgets the request. Nothing happens when the client has gone.
void call_answer_json(struct call *call, int status, const struct buf *json);
void call_answer(struct call *call, int status, const struct json_writer *json); // what was written, all closed
void call_fail(struct call *call, int err, const char *detail);
void call_fail_fields(struct call *call, const struct http_field_error *fields, size_t count);

// Takes a place among the account's followers: false after having answered 429.
bool call_follower_place(struct call *call);
