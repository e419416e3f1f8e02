// What the process may take of the machine: memory and files.
#pragma once

#include "server/config.h"
#include "util/log.h"

// ERR_INVALID with a text if the setting memory_max is too small.
int resources_check(const struct config *config, struct buf *ret_error);
uint64_t resources_memory_max(const struct config *config); // bytes; what was configured, or a part of the machine's
// Lets the C library keep memory that is free. Call it before other threads run.
void resources_keep_memory(void);
// Lets the process open as many files as so many connections need. Returns how many connections it may take: `wanted`,
// or fewer if the machine allows fewer files; the log tells then.
int64_t resources_connections_max(int64_t wanted, const struct logger *logger);
