// job.json: what a runner is to run, as its worker was given it. It holds a credential and secrets, and is the worker's
// and the runner's alone (0600).
#pragma once

#include "runner/process/confine.h"
#include "runner/process/launch.h"
#include "util/buf.h"

#include <jansson.h>

#define JOB_FILE          "job.json"
#define JOB_WORK          "work"
#define JOB_OUTPUTS       "outputs"
#define JOB_CONTROL       "control"
#define JOB_VOICE         "voice"
#define JOB_GRACE_MS      10000
#define JOB_FILE_MAX      (16u * 1024 * 1024)
#define JOB_ARGUMENTS_MAX 65536

struct job_file {
    json_t *root; // what the strings below are of
    const char *execution_id, *producer, *url, *incarnation, *batch_id;
    const char *runtime_version; // or NULL
    uint64_t epoch, attempt;
    char **argv, **env;     // NULL-terminated; env: "NAME=VALUE", all of it
    size_t spec_env_count;  // of the variables that the submitter gave
    const char *cwd;        // from the job's folder, or absolute; NULL: JOB_WORK
    const char *stdin_path; // the same; NULL: /dev/null
    uint64_t timeout_ms;    // 0: none
    uint64_t grace_ms;      // between TERM and KILL
    uint64_t lease_ms;      // with retry_on_lost: how long it may go on without a word of a server
    bool retry_on_lost;
    uint64_t memory_max, processes_max; // 0: none
    uint32_t cpus_milli;
    uint64_t spool_max;
    size_t message_max;
    bool has_user;
    struct launch_user user;
    const char *cgroup_base; // or NULL
    bool confined;
    const char *hidden[CONFINE_PATHS_MAX];
    const char *refusal; // why it cannot be run, which its log is to say; NULL: it can
};

void job_file_release(struct job_file *file);
// ERR_NOT_FOUND, ERR_CORRUPT, or -errno. `dir_fd` is the job's folder.
int job_file_load(int dir_fd, struct job_file *ret);
// Takes over `root`. ERR_CORRUPT.
int job_file_parse(json_t *root, struct job_file *ret);
int job_file_save(int dir_fd, const json_t *root);
