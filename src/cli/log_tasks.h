// Reads or follows one or several logs, to the same output. Of several that are followed, each has a thread. Each
// thread writes only complete lines at a time.
#pragma once

#include "cli/log_reader.h"
#include "cli/log_request.h"

// Returns the exit code. Of several, the first that is not 0.
int log_tasks_run(struct cli *cli, const char *const *ids, size_t count, struct log_request *request);
