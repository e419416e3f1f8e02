// Loki's push API, for its agents and clients; and the mirror in a Loki.
#pragma once

#include "api/call.h"

void loki_push(struct call *call);   // POST /loki/api/v1/push
void loki_replay(struct call *call); // POST /api/v1/loki/replay, and of one execution
