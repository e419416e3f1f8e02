// A worker takes jobs from a server over one socket, starts a runner for each, and delivers what they record. The
// runners outlive it, and the next worker of the same folder finds them. See docs/internals/jobs.md.
#pragma once

#include "client/client.h"
#include "util/log.h"

#define WORKER_LABELS_MAX 64

struct worker_options {
    struct client_options server;
    const char *state_dir; // jobs are in STATE_DIR/spool/<execution id>/; only one worker at a time
    unsigned slots;        // 0: as many as there are processors
    const char *labels[WORKER_LABELS_MAX];
    size_t label_count;
    const char *name;      // its identifier; NULL: one that is made once for the folder
    bool embedded;         // it is a child of the server: it ends together with the server, and shares its data folder
    bool unconfined;       // for an embedded one: it takes jobs of any key, even if nothing keeps them from that folder
    const char *job_user;  // the user for jobs, if we are root; NULL: ourselves
    const char *hidden[8]; // further folders that no job may see, if the kernel has Landlock
    size_t hidden_count;
    // Of a container engine; "none": none is used; NULL: that of DOCKER_HOST, else one of the usual places.
    const char *container_socket;
    const char *registry_auth; // file with logins for registries of images (docs/jobs.md); absolute, or NULL
    uint64_t spool_max;        // for each job; 0: RUNNER_SPOOL_MAX
    uint64_t cache_max;        // bytes of jobs' inputs that are kept for others; 0: CACHE_BYTES_MAX
    const struct logger *logger;
};
// Runs until it is told to end (SIGTERM, SIGINT). The first time it takes no more jobs and ends when everything is
// delivered; the second time it ends at once. Must be called from main, before it has threads. Errors: ERR_CONFLICT:
// another worker has the folder; ERR_INVALID: there is no such user; ERR_UNAVAILABLE: the process that starts the
// runners has died.
int worker_run(const struct worker_options *options);
