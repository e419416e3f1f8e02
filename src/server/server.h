// `runnel serve`: wiring, start, reload, shutdown. Only this room picks adapters.
#pragma once

#include "server/config.h"

// Runs until SIGTERM or SIGINT. `load` makes the configuration again for SIGHUP. Returns 0, or the error that kept it
// from starting, which stderr tells.
int server_run(struct config *config, int (*load)(void *arg, struct config *ret, struct buf *ret_error), void *arg);

// Puts a copy of the backup `file` in the place of the store of config->data, and writes what was done to `out`.
// Returns ERR_CONFLICT while a server runs on the store. Each error has a text.
int server_restore(const struct config *config, const char *file, bool discard, struct buf *out, struct buf *ret_error);

// Migrates the schema of the store of config->data to the number `to` (0: the newest that this program knows), and
// writes what it did to `out`. Returns ERR_CONFLICT while a server runs on the store, or if something would be lost.
// Each error has a text.
int server_store_migrate(const struct config *config, int to, struct buf *out, struct buf *ret_error);
// Writes which schema the store has, and which steps back there are. A server may run on the store.
int server_store_show(const struct config *config, struct buf *out, struct buf *ret_error);

// Copies the store `from` into the store `to`, each a data folder or what `store` may be set to, and writes what it
// did, and what is still to be moved, to `out`. No server may have either. `progress` is called with a line for people
// from time to time; it may be NULL. `config`: what old logs of `from` that lie in S3 are read with. Each error has a
// text.
typedef void server_progress_fn(void *arg, const char *line);
int server_store_copy(const struct config *config, const char *from, const char *to, bool json,
                      server_progress_fn *progress, void *arg, struct buf *out, struct buf *ret_error);

// Writes what the program's tables make: the reference pages "configuration", "metrics" and "routes" in Markdown, and
// the examples "server.conf" and "runnel.env". Returns false for another name.
bool server_document(const char *name, struct buf *out);
