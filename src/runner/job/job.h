// The runner of a job that a worker has started. It captures the job into the spool of its folder. The worker talks to
// it on the socket `control` there. It never talks to the server. See docs/internals/jobs.md.
#pragma once

#include "util/error.h"

// Runs the job of the folder `dir` (job.json) to its end. Returns the status for exit: 0 if its outcome is in run.json.
// `control_fd` is our end of a connection to a worker, and `secrets_fd` of job_secrets_pass: both are taken over, or
// -1. It needs a process of its own, with one thread and open standard descriptors; the process becomes the leader of a
// session and a child subreaper.
int job_run(const char *dir, int control_fd, int secrets_fd);
