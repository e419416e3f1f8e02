// One request on its way through the interface: its life and its answers. Everything on the loop's thread.
#pragma once

#include "api/lookup.h"
#include "api/route.h"
#include "store/ops/batch.h"
#include "store/ops/waiting.h"
#include "store/ops/workflow.h"

struct json_t;

// A call lives while the request is unanswered or while an operation for it is under way.
struct call {
    struct api *api;
    struct http_request *request; // NULL after the answer, or when the client is gone
    const struct route *route;
    enum action action;                                // the route's action, unless a setting changes it
    struct route_capture captures[ROUTE_CAPTURES_MAX]; // decoded; valid while `request` is
    unsigned capture_count;
    struct json_t *body; // for routes with fields of a body: the checked object; NULL for others
    struct principal principal;
    struct execution_lookup lookup;
    struct execution execution;                     // for routes with RESOURCE_EXECUTION; lookup.kept owns its strings
    struct batch batch;                             // for routes with RESOURCE_BATCH
    struct workflow workflow;                       // for routes with RESOURCE_WORKFLOW
    struct store_waiting waiting;                   // for routes with RESOURCE_WAITING
    struct store_batch_get batch_get;               // private: for resource.c
    struct store_workflow_get workflow_get;         // private: for resource.c
    char id_copy[ID_EXECUTION_MAX + 1];             // private: for resource.c
    void (*loaded)(struct call *call, int err);     // private to resource.c
    void (*loaded_all)(struct call *call, int err); // likewise
    unsigned refs;
    bool before_body; // only the head of the request has come
    bool fetched;     // the log was fetched from where it is kept, for this call
    uint64_t began_ns;
    struct auth_check check;
};

void call_ref(struct call *call);
void call_unref(struct call *call);
// Hands in an operation on behalf of the caller. What belongs to its kind alone is set already. `done` runs on the loop
// and must call call_unref; the call lives until then.
void call_submit(struct call *call, enum store_op_kind kind, struct store_op *op, void (*done)(struct store_op *op));
// A part of the path, by its name in the route's pattern.
struct str call_capture(const struct call *call, const char *name);
// The name of a `user` principal, who may use only what is its own; else empty. Valid while the call lives.
struct str call_asking_user(const struct call *call);
void call_watch(struct call *call); // be told (again) when the client goes away
// Gives the request to an upgrade or a stream; the call forgets it. Returns NULL if the client is gone.
struct http_request *call_take_request(struct call *call);

// These answer and forget the request. They do nothing if the client is gone.
void call_answer_json(struct call *call, int status, const struct buf *json);
// What was written; everything must be closed.
void call_answer(struct call *call, int status, const struct json_writer *json);
void call_fail(struct call *call, int err, const char *detail);
bool call_may_begin(struct call *call); // something new; false after it has answered that the server drains
// With what `add` writes beside the error.
void call_fail_with(struct call *call, int err, const char *detail, void (*add)(void *arg, struct json_writer *json),
                    void *arg);
void call_fail_fields(struct call *call, const struct http_field_error *fields, size_t count);

// Says in the header of the answer from where on the log is still there. Formats of output alone have nothing else for
// it.
void call_say_front(struct call *call);

// The header Idempotency-Key; empty: none. False after having answered that it is longer than CALL_HEADER_KEY_MAX.
#define CALL_HEADER_KEY_MAX 255
bool call_header_key(struct call *call, struct str *ret);
// The caller's Idempotency-Key (at most CALL_HEADER_KEY_MAX bytes) as the store is to know it, written to `out`. Each
// user has keys of its own: a request of another user must not be answered with this user's execution. Empty if there
// is none.
#define CALL_KEY_MAX (CALL_HEADER_KEY_MAX + 1 + sizeof(((struct principal *)NULL)->user))
struct str call_idempotency_key(const struct call *call, struct str key, char out[CALL_KEY_MAX]);

// Takes a place among the account's followers. Returns false after it has answered 429.
bool call_follower_place(struct call *call);
