// What the machine, or the control group that the process is in, has.
#pragma once

#include "util/buf.h"

// Bytes of memory that the process may use: the least of the machine's and of the limits of its control group and of
// those above it (version 1 and 2). `root` is "" outside of tests. 0 if nothing can be found out.
uint64_t machine_memory(const char *root);
