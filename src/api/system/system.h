// The server itself: health, readiness, metrics, backup.
#pragma once

#include "api/call.h"

// Handlers.
void system_health(struct call *call);
void system_ready(struct call *call);
void system_metrics(struct call *call);
void system_backup(struct call *call);
