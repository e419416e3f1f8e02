// The server's configuration from the command line, for commands that work on the server's data.
#pragma once

#include "cli/cli.h"
#include "server/config.h"

#define SYSTEM_CONFIG "/etc/runnel/server.conf"

// Reads the file, the environment, and the flags of the present command that name settings, over the defaults in *ret.
// On error *ret_error says why.
int serve_config_load(struct cli *cli, struct config *ret, struct buf *ret_error);
