// The server's configuration as the command line gives it, for the commands that work on the server's data.
#pragma once

#include "cli/cli.h"
#include "server/config.h"

#define SYSTEM_CONFIG "/etc/runnel/server.conf"

// From the file, the environment and those flags of the present command that name settings, over the defaults that *ret
// holds. With a text.
int serve_config_load(struct cli *cli, struct config *ret, struct buf *ret_error);
