// What runs wait for, and the answers. See docs/internals/workflows.md.
#pragma once

#include "api/call.h"

// Handlers.
void waiting_get(struct call *call);
void waiting_answer(struct call *call);

// Takes what a client says that an execution is to wait for. `within` is the member of the body that has it; NULL: the
// body itself. The text is owned by the caller. False after having answered 422.
bool call_take_waiting(struct call *call, const struct json_t *waiting, const char *within, char **ret_text,
                       int64_t *ret_until_ms);
// {"execution_id","status","sealed","last_index","waiting"}, and for who asks whether it may answer.
void call_answer_waiting(struct call *call, const struct execution *execution, const char *waiting);
