// A request whose body becomes content, while that is taken: PUT /api/v1/blobs/{sha256} and POST /api/v1/blobs. What is
// under way for it goes on when its client is gone. Everything on the loop's thread.
#pragma once

#include "api/call.h"
#include "blob/blob.h"

#define TAKING_FULL "the account has as much content as it may (artifacts_max)"

struct taking { // embedded in what belongs to one of the routes
    struct call *call;
    struct http_request *request; // NULL: it was answered, or the client is gone
    struct budget_lease held;
};

// Takes the call's request, and a reference to the call.
void taking_init(struct taking *taking, struct call *call);
void taking_release(struct taking *taking);
// Holds so many bytes of the account's share for it. False if there is no room.
bool taking_hold(struct taking *taking, size_t bytes);

// Hand in an operation for the account. What belongs to its kind alone is set already.
void taking_store(struct taking *taking, struct store_op *op, enum store_op_kind kind,
                  void (*done)(struct store_op *op));
void taking_blob(struct taking *taking, struct blob_op *op, enum blob_op_kind kind, void (*done)(struct blob_op *op));

// For the last answer: its body is not wanted any more. NULL if there is nobody to answer.
struct http_request *taking_end(struct taking *taking);
void taking_fail(struct taking *taking, int err, const char *detail); // such an answer; `detail` may be NULL
