// What is to be done before somebody reads a log: one that another system keeps is fetched first (ingest/fetches.h). On
// the loop's thread.
#pragma once

#include "api/call.h"

// Whether the log that the call reads is still elsewhere.
bool reading_is_due(const struct call *call);
// Has it fetched. Calls `done` when the call may go on, and load its execution anew; not if the client has gone away,
// or after it has answered: 503 with the reason, if the log is not here. So no page looks as if there were nothing.
void reading_wait(struct call *call, void (*done)(struct call *call));
// For those who follow several logs, and do not wait: has it fetched, if that is due.
void reading_begin(struct api *api, const struct execution *execution);
