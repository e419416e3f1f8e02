// What a run waits for that waits for somebody: a form, who may answer, until when, and what happens if nobody does.
// Values in, values out. See docs/internals/workflows.md.
#pragma once

#include "model/status.h"
#include "util/buf.h"

struct json_t;

#define WAITING_FORM_MAX      ((size_t)64 * 1024) // bytes of its compact text
#define WAITING_ASSIGNEES_MAX 100
#define WAITING_USER_MAX      127 // bytes of the name of a user
#define WAITING_NODE_MAX      255

// X(name, word, status that it leads to)
#define WAITING_TIMEOUTS(X)           \
    X(FAIL, "fail", STATUS_TIMED_OUT) \
    X(RESUME, "resume", STATUS_RUNNING)

enum waiting_timeout {
#define WAITING_ENUM(name, word, status) WAITING_##name,
    WAITING_TIMEOUTS(WAITING_ENUM)
#undef WAITING_ENUM
        WAITING_TIMEOUT_COUNT
};

struct waiting_problem {
    const char *member; // of `waiting`, which it is borrowed from; NULL: of itself
    const char *reason; // static
};

// `id` names the wait, so that an answer to one does not go to another. Reads what a client sends: {"form"?: object,
// "assignees"?: [name], "until"?: RFC 3339 or so long from now, "on_timeout"?: "fail" or "resume", "node_id"?: text}.
// Returns the text that is kept, owned by the caller, and until when it waits (0: for ever); or NULL and what is wrong.
char *waiting_take(const struct json_t *waiting, const char *id, int64_t now_ms, int64_t *ret_until_ms,
                   struct waiting_problem *ret_problem);

// --- Of a kept text; an empty one waits for an owner's answer, for ever.
// Whether this user may answer: one of `assignees`, or, without them, the owner. `owner` may be empty: nobody's.
bool waiting_may_answer(struct str kept, struct str owner, struct str user);
enum waiting_timeout waiting_on_timeout(struct str kept);
enum execution_status waiting_timeout_status(enum waiting_timeout on_timeout);
bool waiting_is(struct str kept, struct str id); // whether it is the wait of this name
char *waiting_node(struct str kept);             // the node that waits; NULL: none is named. Owned by the caller

// --- The records that tell how it ended: their message, and the structured fields in canonical form. `node` may be
// NULL. `data` is JSON. Returns NULL, or why such data cannot be kept (static).
const char *waiting_say_answer(struct str user, const char *node, struct str data, struct buf *message,
                               struct buf *extra);
void waiting_say_timeout(enum waiting_timeout on_timeout, int64_t until_ms, const char *node, struct buf *message,
                         struct buf *extra);
