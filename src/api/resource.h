// What the {id} of a route names: how it is loaded, whose it is, and the answer if it cannot be had (404, 410).
#pragma once

struct call;
struct json_writer;

enum resource {
    RESOURCE_NONE,
    RESOURCE_EXECUTION, // call->execution
    RESOURCE_WAITING,   // call->execution, and what it waits for: also for users who are asked to answer that
    RESOURCE_BATCH,     // call->batch
    RESOURCE_WORKFLOW,  // call->workflow; named by {workflow}
    RESOURCE_COUNT,
};

const char *resource_name(enum resource resource); // NULL for RESOURCE_NONE
// Calls `loaded` once, now or later: with 0, ERR_NOT_FOUND, or the store's error. Not called if the client has gone
// away.
void resource_load(struct call *call, void (*loaded)(struct call *call, int err));
// Judges what was loaded: 0; ERR_NOT_FOUND if it is not the caller's; ERR_EXPIRED if it was purged.
int resource_judge(const struct call *call);
// Adds what is still known of one that was purged.
void resource_tell(const struct call *call, struct json_writer *json);
const char *resource_error_text(const struct call *call, int err);
