// The routes of other designs, which show what there is in other shapes. See docs/log-api.md. Everything on the loop's
// thread.
#pragma once

#include "api/call.h"

// --- The workflow log API. Handlers.
void log_api_logs(struct call *call);
void log_api_stream(struct call *call);
