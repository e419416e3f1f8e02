// run.json: what a spool's folder has to say about its run, so that another process can finish the delivery. Written
// atomically.
#pragma once

#include "util/buf.h"
#include "util/error.h"

struct run_file { // strings are owned
    char *execution_id;
    char *url; // of the server that it is for
    char *producer;
    char *script_filename, *command_json, *metadata_json; // or NULL
    uint64_t epoch;                                       // 0: none yet
    char incarnation[32];
    char boot[40];   // of the machine, when the run began: another one by now means that it went down since
    bool registered; // the server knows the execution
    bool existed;    // and knew it before it heard of this run
    bool ended;      // the job has, and everything of it is in the spool
    int64_t started_ms, ended_ms; // of the job, by this machine's clock; 0: not known
    uint64_t records; // when ended: how many there were; a spool with less has lost its tail with the machine
    bool has_exit_code;
    int exit_code;
    char status[16]; // the outcome if the exit code does not tell it; else empty
};

void run_file_release(struct run_file *run);
void run_file_append_json(struct buf *out, const struct run_file *run);
// `sync`: durable when it returns. Without, it survives the process, but not the machine; it takes no time then.
int run_file_save(const struct run_file *run, const char *dir, bool sync);
int run_file_sync(const char *dir);    // makes durable what was saved
void run_file_boot(char ret_boot[40]); // of this machine now; empty if it does not tell
// ERR_NOT_FOUND, ERR_CORRUPT, or -errno.
int run_file_load(const char *dir, struct run_file *ret);
