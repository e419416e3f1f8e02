// The logs of many executions, of a batch or of all with some metadata, also of those that begin later: followed on one
// socket, a bounded number at a time. Each has a cursor of its own, so none of its lines is lost or shown twice,
// however often it is left for another one or the connection breaks.
#pragma once

#include "cli/log_request.h"

// `batch`: its identifier; it ends when the batch is over and all of its logs are at their end. NULL: all that have the
// metadata of -m, until it is interrupted. Without `request->follow` what is there is read, one log after the other.
// Returns the exit code.
int log_crowd_run(struct cli *cli, const char *batch, struct log_request *request);
