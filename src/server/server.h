// `runnel serve`: wiring, start, reload, shutdown. The only place that picks adapters.
#pragma once

#include "server/config.h"

// Runs until SIGTERM or SIGINT. `load` makes the configuration anew for SIGHUP. Returns 0 or the error it could not
// start with (said on stderr).
int server_run(struct config *config, int (*load)(void *arg, struct config *ret, struct buf *ret_error), void *arg);

// Puts a copy of the backup `file` in the place of the store of config->data. *ret_kept: the former store, owned by the
// caller, or NULL. ERR_CONFLICT while a server runs on it; each error with a text.
int server_restore(const struct config *config, const char *file, bool discard, char **ret_kept, struct buf *ret_error);

// Brings the schema of the store of config->data to the number `to` (0: the newest that this program knows), and says
// what it did. ERR_CONFLICT while a server runs on it, or where something would be lost; each error with a text.
int server_store_migrate(const struct config *config, int to, struct buf *out, struct buf *ret_error);
// Which schema it has, and which steps back there are. A server may run on it.
int server_store_show(const struct config *config, struct buf *out, struct buf *ret_error);

// What the program's tables make: the reference pages "configuration", "metrics" and "routes" in Markdown, and the
// examples "server.conf" and "runnel.env". False for another name.
bool server_document(const char *name, struct buf *out);
