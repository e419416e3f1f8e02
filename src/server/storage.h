// Where everything is kept, and how the servers that share it hear of each other, by the settings of the start.
#pragma once

#include "server/config.h"
#include "store/store.h"
#include "util/budget.h"
#include "util/log.h"

// Whether it names a database; else it is a folder.
bool storage_is_postgres(const char *address);
// ERR_INVALID, with what is wrong, if settings do not go together. The text has no password.
int storage_check(const struct config *config, struct buf *ret_error);
// The folder of backups: an absolute path, owned by the caller, as requests name files beneath it. NULL: the working
// folder, which it is relative to, is not known.
char *storage_backups(const struct config *config);
// Opens the store, or the stores, and makes what is not there yet. Logger and budget must outlive it. Errors, with a
// text: those of the adapter.
int storage_open(const struct config *config, const struct logger *logger, struct budget *budget, struct buf *ret_error,
                 struct store **ret);
