// The last line of an execution on stderr: mostly what tells why it failed. For a reader's thread.
#pragma once

#include "store/engine/engine.h"

#define LAST_LINE_MAX 200 // bytes of it, cut between characters

// *ret: the caller's; NULL if the last 64 chunks of the log (STORE_READ_SEGMENTS), or its last MiB, have none. What
// cannot be read counts for none.
int last_line_read(const struct session *session, const struct execution *execution, char **ret);
