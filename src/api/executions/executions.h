// Executions: made, listed, shown, changed, cancelled, purged.
#pragma once

#include "api/call.h"

// Handlers.
void executions_create(struct call *call);
void executions_list(struct call *call);
void executions_status(struct call *call);
void executions_patch(struct call *call);
void executions_delete(struct call *call);

void call_answer_execution(struct call *call, int status, const struct execution *execution);
