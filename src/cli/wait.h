// The end of a job, and the attempt that follows it.
#pragma once

#include "cli/cli_private.h"

// Of an execution that has ended: its status, and which attempt follows (in the arena), or NULL if none does. Returns
// 0, or an exit code after having said what is wrong.
int cli_next_attempt(struct cli *cli, struct client *client, const char *id, json_t **ret_status,
                     const char **ret_next);
