// Loki's push API, for its agents and clients.
#pragma once

#include "api/call.h"

void loki_push(struct call *call); // POST /loki/api/v1/push
