// Describes a run by its command.
#pragma once

#include "runner/run_file.h"
#include "runner/runner.h"

// Fills everything that the server does not tell. The run starts now. Copies `execution_id`.
void run_describe(const struct runner_options *options, const char *execution_id, struct run_file *ret);
