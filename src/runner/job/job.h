// The runner of a job that a worker has started: captures it into the spool of its folder, and is spoken to by the
// socket `control` there. It never speaks to the server. docs/internals/jobs.md.
#pragma once

#include "util/error.h"

// Runs the job of the folder `dir` (job.json) to its end, and returns the status for exit: 0 if its outcome is in
// run.json. `control_fd`: our end of a connection of a worker's, which is taken over, or -1. To be called by a process
// of its own, which has one thread, and whose standard descriptors are open; it becomes the leader of a session and a
// child subreaper.
int job_run(const char *dir, int control_fd);
