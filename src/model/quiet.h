// Logs that nobody ends, since what writes them does not know of executions: one is sealed when nothing has come for
// its quiet period. Pure: the server and the simulator use it.
//
// What somebody tells of how the execution ended stands, and begins the period anew. A runner that takes the execution
// ends its log itself. What comes after the seal is refused, and whoever sent it is told.
#pragma once

#include "model/outcome.h"

struct quiet_seen { // of one log
    uint64_t next;  // the end of the log
    enum execution_status status;
    uint64_t since_ms; // mono: when it was first seen so
};

// Whether the log of such an execution ends by being quiet.
bool quiet_applies(const struct outcome *outcome);
// Looks at the log as it is now; `seen` is kept for the next look (zeroed before the first one). Returns whether to ask
// for its seal: nothing has come, and nothing was told, for `quiet_ms`. What was seen begins anew with the process.
bool quiet_look(struct quiet_seen *seen, uint64_t next, enum execution_status status, uint64_t quiet_ms,
                uint64_t now_ms);
// At the commit: 0, or ERR_CONFLICT if something has come, or was told, since it was asked for.
int quiet_judge(const struct quiet_seen *seen, uint64_t next, enum execution_status status);
