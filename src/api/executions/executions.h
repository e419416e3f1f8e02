// Executions: made, listed, looked at, changed, cancelled, purged.
#pragma once

#include "api/call.h"

#include <jansson.h>

// Handlers.
void executions_create(struct call *call);
void executions_list(struct call *call);
void executions_status(struct call *call);
void executions_patch(struct call *call);
void executions_delete(struct call *call);

void call_answer_execution(struct call *call, int status, const struct execution *execution);

// What is wrong with metadata as it was sent; NULL if nothing is.
#define METADATA_TOO_LARGE "is larger than 64 KiB"
#define METADATA_TOO_MANY  "has more than 1000 members"
const char *metadata_check(const json_t *value);
