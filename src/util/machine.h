// Resources of the machine, or of the control group that the process is in.
#pragma once

#include "util/buf.h"

// Returns the bytes of memory that the process may use: the least of the machine's memory and the limits of its control
// group and the groups above it (version 1 and 2). `root` is "" except in tests. Returns 0 if nothing can be found out.
uint64_t machine_memory(const char *root);
