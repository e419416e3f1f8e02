// All processes that descend from this one, as long as it is a child subreaper (PR_SET_CHILD_SUBREAPER). That includes
// processes with sessions of their own, and orphans.
#pragma once

#include "util/error.h"

#include <sys/types.h>

// Sends a signal to each of them that exists while it looks, to a parent before its children: a shell that waits for
// its command has the signal by the time the command has died of it, and does what its trap says. Those that are
// started meanwhile are found, too, within at most a hundred looks. A process that SIGKILL has reached starts nothing
// more. Returns how many were reached; 0: only zombies are left; -errno if /proc cannot be read.
int descendants_signal(int signum);
// Whether any child is left, running or not yet reaped. Orphans become our children, so without a child there is no
// descendant.
bool descendants_left(void);
