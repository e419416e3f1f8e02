// run.json: what a spool's folder says about its run, so that another process can finish the delivery. It is written
// atomically. Without it, job.json stands in: its first line has what is needed, and how the job ended is a second one.
// So a short job, whose worker is there, costs one file less.
#pragma once

#include "util/buf.h"
#include "util/error.h"

#include <jansson.h>

#define RUN_FILE_JOB "job.json"

struct run_file { // the strings are owned
    char *execution_id;
    char *url; // the server that the log is for
    char *producer;
    char *script_filename, *command_json, *metadata_json; // may be NULL
    uint64_t epoch;                                       // 0: there is none yet
    char incarnation[32];
    // Identifies the boot of the machine when the run began; if it is another one now, the machine went down since.
    char boot[40];
    bool registered;              // the server knows the execution
    bool existed;                 // the server knew it before it heard of this run
    bool ended;                   // the job has ended, and everything of it is in the spool
    int64_t started_ms, ended_ms; // times of the job by this machine's clock; 0: not known
    // When ended: how many records there were; if the spool has fewer, the machine went down and the tail is lost.
    uint64_t records;
    bool has_exit_code;
    int exit_code;
    char status[16];    // the outcome, if the exit code does not tell it; else empty
    char *details_json; // what else there is to know of how it ran: an object, or NULL
    char *cgroup;       // a job's control group, whose processes a runner that was killed has left; or NULL
};

void run_file_release(struct run_file *run);
void run_file_append_json(struct buf *out, const struct run_file *run);
// `sync`: it is durable when the call returns. Otherwise it survives the process but not the machine, and the call is
// quick.
int run_file_save(const struct run_file *run, const char *dir, bool sync);
// Saves how a job has ended into its job.json, by one append: half of it is none. It survives the process.
int run_file_append(const struct run_file *run, int dir_fd);
int run_file_sync(const char *dir);    // makes durable what was saved
void run_file_boot(char ret_boot[40]); // the machine's present boot; empty if it is not known
// Of a job that begins: as the first line of its job.json would be loaded. ERR_CORRUPT.
int run_file_of_job(const json_t *root, struct run_file *ret);
// Errors: ERR_NOT_FOUND, ERR_CORRUPT, ERR_TOO_NEW, or -errno.
int run_file_load(const char *dir, struct run_file *ret);
