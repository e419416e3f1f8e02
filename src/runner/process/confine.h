// What a job may not see: a ruleset of Landlock, where the kernel has it. It is a list of what is allowed, so that what
// is to be hidden is hidden by allowing all that is beside it.
#pragma once

#include "util/error.h"

#define CONFINE_PATHS_MAX 16

struct confine_options {
    // Folders that are neither read nor listed, absolute. One that is not there hides nothing. What lies in the folders
    // above one can be opened, but these cannot be listed, and what is made there later is not seen.
    const char *hidden[CONFINE_PATHS_MAX];
    // Files and folders that may be written, and made and deleted in, also within a hidden one. One that has a hidden
    // one beneath it is passed over.
    const char *writable[CONFINE_PATHS_MAX];
    // Read, and no more; within a hidden one.
    const char *readable[CONFINE_PATHS_MAX];
};

bool confine_available(void);
// A ruleset for launch_options, to be closed after it. ERR_UNSUPPORTED where there is no Landlock; -errno.
int confine_prepare(const struct confine_options *options, int *ret_fd);
