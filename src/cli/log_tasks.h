// One log or several, read or followed, to the same output. Several that are followed have a thread each; what each
// writes at one time are whole lines.
#pragma once

#include "cli/log_reader.h"
#include "cli/log_request.h"

// The exit code; of several the first that is not 0.
int log_tasks_run(struct cli *cli, const char *const *ids, size_t count, struct log_request *request);
