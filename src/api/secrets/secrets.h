// Secrets. What goes in is a value; what comes back are names and times.
#pragma once

#include "api/call.h"

// Handlers.
void secrets_set(struct call *call);
void secrets_reseal(struct call *call);
void secrets_get(struct call *call);
void secrets_list(struct call *call);
void secrets_delete(struct call *call);
