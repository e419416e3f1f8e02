// `runnel serve`: wiring, start, reload, shutdown. The only place that picks adapters.
#pragma once

#include "server/config.h"

// Runs until SIGTERM or SIGINT. `load` makes the configuration anew for SIGHUP. Returns 0 or the error it could not start with (said on stderr).
int server_run(struct config *config, int (*load)(void *arg, struct config *ret, struct buf *ret_error), void *arg);

// A reference page that the program's tables make, in Markdown: "configuration", "metrics" or "routes". False for another name.
bool server_document(const char *name, struct buf *out);
