// The runner of a job that a worker has started. It captures the job into the spool of its folder. The worker talks to
// it on the socket `control` there. It never talks to the server. See docs/internals/jobs.md.
#pragma once

#include "runner/process/confine.h"

struct job_call {
    const char *dir;           // of the job (job.json)
    int control_fd;            // our end of a connection to a worker; taken over, or -1
    int secrets_fd;            // of job_secrets_pass; the same
    struct confine_base *base; // for what it may not see; may be NULL. It is forgotten once it was used
};
// Runs the job to its end, and then others that its worker names on the connection, if the job says that it stays.
// Returns the status for exit: 0 if the outcome of the last one is saved. It needs a process of its own, with one
// thread and open standard descriptors; the process becomes the leader of a session and a child subreaper.
int job_run(const struct job_call *call);

// Adds what each job may write and read besides its own folders, also where it is within a hidden one; of `writable`
// from this place on.
void job_usual_paths(struct confine_options *options, size_t writable_at);
