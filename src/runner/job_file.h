// job.json: what a runner must run, as its worker was told. It holds a credential and secrets, and only the worker and
// the runner may read it (0600). It is one line; see run_file.h for what follows on it.
#pragma once

#include "runner/outputs.h"
#include "runner/process/confine.h"
#include "runner/process/launch.h"
#include "runner/run_file.h"
#include "util/buf.h"

#include <jansson.h>

#define JOB_FILE          RUN_FILE_JOB
#define JOB_WORK          "work"
#define JOB_OUTPUTS       OUTPUTS_FOLDER
#define JOB_CONTROL       "control"
#define JOB_VOICE         "voice"
#define JOB_INSIDE        "/runnel/" // where its container has its work, outputs and voice
#define JOB_GRACE_MS      10000
#define JOB_FILE_MAX      (16u * 1024 * 1024)
#define JOB_ARGUMENTS_MAX 65536

struct job_file {
    json_t *root; // holds the strings below
    const char *execution_id, *producer, *url, *incarnation, *batch_id;
    const char *token;           // for its inputs and artifacts; may be NULL
    const char *runtime_version; // may be NULL
    uint64_t epoch, attempt;
    char **argv, **env;     // NULL-terminated; env: "NAME=VALUE", the whole environment
    size_t spec_env_count;  // how many variables the submitter gave
    const char *cwd;        // relative to the job's folder, or absolute; NULL: JOB_WORK
    const char *stdin_path; // as cwd; NULL: /dev/null
    bool stays;             // its runner waits for the next job of its worker
    bool wants_result;      // what it leaves on stdout is its result, if that is JSON
    uint64_t timeout_ms;    // 0: none
    uint64_t grace_ms;      // time between TERM and KILL
    uint64_t lease_ms;      // how long a lease lasts
    // With retry_on_lost: when it must have ended, if no server is heard of before (clock_boot_ms; model/life.h).
    uint64_t alive_until_ms;
    bool retry_on_lost;
    uint64_t memory_max, processes_max; // 0: none
    uint32_t cpus_milli;
    uint64_t spool_max;
    size_t message_max;
    bool has_user;
    struct launch_user user;
    const char *cgroup; // its control group, which the runner makes; may be NULL
    const char *boot;   // of the machine, when it was written; may be NULL
    bool confined;
    const char *hidden[CONFINE_PATHS_MAX];
    const char *image, *container_socket, *container_user; // NULL: it is a process
    const char *container_folder, *container_worker; // what its container is labelled with; the latter may be NULL
    const char *registry_auth;                       // file with logins for registries; or NULL
    bool container_program;                          // argv is all of its program, without the image's entry point
    const char *refusal;                             // why it cannot be run, for its log; NULL: it can be run
    const char *refusal_status;                      // how it ends then; NULL: failed
};

void job_file_release(struct job_file *file);
// Returns ERR_NOT_FOUND, ERR_CORRUPT, or -errno. `dir_fd` is the job's folder.
int job_file_load(int dir_fd, struct job_file *ret);
// Takes over `root`. Returns ERR_CORRUPT.
int job_file_parse(json_t *root, struct job_file *ret);
int job_file_save(int dir_fd, const json_t *root); // takes the place of an older one
