// What a run is called, made from its command.
#pragma once

#include "runner/run_file.h"
#include "runner/runner.h"

// Fills all but what the server says; the run starts now. `execution_id` is copied.
void run_describe(const struct runner_options *options, const char *execution_id, struct run_file *ret);
