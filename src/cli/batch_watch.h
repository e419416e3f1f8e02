// Follows a batch until it is over: a bar that is drawn again on a terminal, a line per change on a pipe.
#pragma once

#include "cli/cli_private.h"

// Returns the exit code: 0 only if all of it succeeded; 130 after Ctrl-C, which asks whether to leave the batch running
// or to cancel it. `exists`: the server has just said that there is such a batch.
int batch_watch(struct cli *cli, struct client *client, const char *batch_id, bool exists);
// Failures by exit code and last line of what they wrote to stderr, with one example each.
int batch_print_digest(struct cli *cli, struct client *client, const char *batch_id);
