// All that descends from this process, as long as it is a child subreaper (PR_SET_CHILD_SUBREAPER): also what has made
// sessions of its own, and orphans.
#pragma once

#include "util/error.h"

#include <sys/types.h>

// Sends a signal to each of them that is there at some time while it looks; those that are started meanwhile are found
// as long as it takes at most a hundred looks. SIGKILL: what it has reached starts nothing more. The number of those
// that were reached; 0: there are none but zombies. Where /proc cannot be read: -errno.
int descendants_signal(int signum);
// Whether any child is left, running or not yet reaped. As orphans become our children, there is then no descendant.
bool descendants_left(void);
