// What `run` asks the server for: the job's object of POST /api/v1/executions, from the options and the operands.
#pragma once

#include "cli/cli_private.h"

// The members that all jobs of this command have. Returns 0, or the exit code after having said what is wrong.
int run_order_read(struct cli *cli, json_t **ret);
// Adds -m KEY=VALUE as `metadata`, if it was given.
int run_order_metadata(struct cli *cli, json_t *object);
