// One log that is read and printed, as the options of `logs` ask for it.
#pragma once

#include "cli/log_reader.h"
#include "cli/log_request.h"

#include <pthread.h>

struct log_task {
    struct cli *cli;
    struct log_request *request;
    struct log_printer printer;
    struct log_reader reader;
    pthread_t thread;
    bool has_printer, has_reader, has_thread;
    int code;
};

// `cli` and `request` are set. Returns 0, or an exit code after having said what is wrong. It is released in any case.
int log_task_prepare(struct log_task *task, const char *id);
void log_task_release(struct log_task *task);
// Reads or follows it to its end. Returns the exit code.
int log_task_run(struct log_task *task);
void log_task_tell_end(const struct log_reader *reader); // of a log that is complete, for people
// The log's name before each of its lines: `id | `, padded to `width`, in a colour of its own if `colour`.
void log_task_prefix(struct log_task *task, size_t number, size_t width, bool colour);
size_t log_task_name_width(const struct log_task *task);
