// Executions: made, listed, shown, changed, cancelled, purged.
#pragma once

#include "api/call.h"

// Handlers.
void executions_create(struct call *call);
void executions_list(struct call *call);
void executions_status(struct call *call);
void executions_result(struct call *call);
void executions_patch(struct call *call);
void executions_wait(struct call *call);
void executions_delete(struct call *call);

// What a checked body says of an execution. Its strings are the caller's.
struct json_t;
void execution_of_body(struct execution *ret, const struct call *call, const struct json_t *body);

// Cancels the call's execution; `answer` gets 200 if it has ended by then, else 202.
void executions_cancel(struct call *call,
                       void (*answer)(struct call *call, int status, const struct execution *execution));

void call_answer_execution(struct call *call, int status, const struct execution *execution);
